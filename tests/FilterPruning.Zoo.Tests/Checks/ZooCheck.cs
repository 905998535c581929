using System.Diagnostics;
using System.Globalization;
using FilterPruning.Graph;
using FilterPruning.Planning;
using FilterPruning.Storage;
using FilterPruning.Surgery;

namespace FilterPruning.Zoo;

/// <summary>Everything that must hold for any model, through the public API alone.</summary>
public sealed class ZooCheck
{
    /// <summary>The seed of all weights and of the random state of every forward.</summary>
    public const int Seed = 7;

    /// <summary>The largest proof error of a float32 model: the library's own default, see <see cref="SurgeryOptions.Tolerance"/>.</summary>
    public const double Tolerance = 1e-4;

    // Set to anything to see on standard error how long each step takes.
    private static readonly bool _tellsSteps = Environment.GetEnvironmentVariable("FILTERPRUNING_ZOO_STEPS") is { Length: > 0 };

    private readonly ZooModel _zoo;
    private readonly List<ZooFailureException> _failures = [];
    private readonly ZooSubject _first;
    private ZooSubject _subject;
    private double _worstProof;
    private Cost _before;
    private Cost _after;

    private ZooCheck(ZooModel zoo, ZooSubject subject) => (_zoo, _first, _subject) = (zoo, subject, subject);

    /// <summary>Checks a model in some configurations.</summary>
    /// <exception cref="ZooFailureException">Something does not hold; the message names model, configuration, step and, where there is one, the layer, for each configuration that failed.</exception>
    public static ZooRow Run(ZooModel zoo, IReadOnlyList<ZooConfiguration> configurations)
    {
        var watch = Stopwatch.StartNew();
        using var scope = NewDisposeScope();
        using var first = new ZooSubject(zoo);
        var check = new ZooCheck(zoo, first);
        check.Attempt("", check.CheckExplanations);
        check.Attempt("", check.CheckFailedCuts);
        foreach (var configuration in configurations) check.Attempt($" {configuration}:", step => check.CheckCut(configuration, step));
        if (check._failures.Count > 0) throw new ZooFailureException(string.Join("\n", check._failures.Select(failure => failure.Message).Distinct()), check._failures[0]);
        var graph = first.Graph;
        return new ZooRow(zoo, graph.Layers.Count, graph.Groups.Count, graph.Roles.Count, graph.Groups.Count(group => group.Pin is not null),
            check._before, check._after, check._worstProof, first.TraceTime, watch.Elapsed);
    }

    /// <summary>Runs one step; whatever it throws says where it was.</summary>
    internal static void Step(string where, Action body)
    {
        var (watch, processor) = (Stopwatch.StartNew(), Environment.CpuUsage.TotalTime);
        try
        {
            body();
            if (_tellsSteps) Console.Error.WriteLine(string.Create(CultureInfo.InvariantCulture, $"STEP {where}: {watch.Elapsed.TotalSeconds:0.00} s, processor {(Environment.CpuUsage.TotalTime - processor).TotalSeconds:0.00} s"));
        }
        catch (Exception error)
        {
            throw new ZooFailureException($"{where}: {error.Message}", error);
        }
    }

    // After a failure the model may be anything: the next part begins with a fresh one.
    private void Attempt(string part, Action<Action<string, Action>> body)
    {
        try
        {
            using var scope = NewDisposeScope();
            body((step, action) => Step($"{_zoo.Name}:{part} {step}", action));
        }
        catch (ZooFailureException error)
        {
            _failures.Add(error);
            if (!ReferenceEquals(_subject, _first)) _subject.Dispose();
            _subject = new ZooSubject(_zoo);
        }
    }

    private void CheckExplanations(Action<string, Action> step)
    {
        var graph = _subject.Graph;
        var pins = graph.Groups.Where(group => group.Pin is not null).SelectMany(group => group.Members.Select(member => (member, group.Pin)))
            .Where(pair => pair.member.Axis == ChannelAxis.Output).ToLookup(pair => pair.member.Layer, pair => pair.Pin!);
        step("explain", () =>
        {
            foreach (var layer in graph.Layers.Where(layer => pins.Contains(layer.Name)))
            {
                var text = graph.Explain(layer.Name);
                ZooFailureException.Unless(text.Contains("stay", StringComparison.Ordinal), $"'{layer.Name}' has channels that stay, and its explanation does not say so: {text}");
                ZooFailureException.Unless(pins[layer.Name].All(pin => pin.Evidence.Length > 0), $"a pin of '{layer.Name}' has no evidence");
            }
        });
        step("stays", () =>
        {
            foreach (var (layer, reason) in _zoo.Stays)
            {
                ZooFailureException.Unless(pins.Contains(layer), $"no output channel of '{layer}' stays, but some must");
                var text = graph.Explain(layer);
                ZooFailureException.Unless(text.Contains(reason, StringComparison.OrdinalIgnoreCase), $"the explanation of '{layer}' does not hold '{reason}': {text}");
            }
        });
        step("prunable", () => ZooFailureException.Unless(_zoo.Stays.Count > 0 || graph.Layers.Any(layer => layer.IsPrunable), "not one layer may lose a channel, and no entry of the zoo says why"));
    }

    private void CheckFailedCuts(Action<string, Action> step)
    {
        var plan = PruningPlanner.CreatePlan(_subject.Graph, new PruningOptions { Ratio = 0.5 });
        if (plan.RemovedGroups == 0) return;
        step("a plan that contradicts itself", () => FailedCutCheck.WithWrongPlan(_zoo, _subject, plan));
        step("a forward that fails on the narrowed model", () => FailedCutCheck.WithFailingForward(_zoo, _subject, plan));
    }

    private void CheckCut(ZooConfiguration configuration, Action<string, Action> step)
    {
        var (model, graph) = (_subject.Model, _subject.Graph);
        using var earlier = configuration.TrainsBefore ? TrainingCheck.Optimizer(model) : null;
        if (earlier is not null)
        {
            step("train before the cut", () => TrainingCheck.Step(_zoo, model, earlier));
            foreach (var (_, parameter) in ModelValues.Parameters(model)) parameter.grad = null;
        }

        var before = ModelValues.Of(model);
        var answers = Answers.Of(_zoo, model);
        PruningPlan plan = null!;
        CutResult cut = null!;
        step("plan", () => plan = PruningPlanner.CreatePlan(graph, configuration.Options));
        step("cut", () => cut = Surgeon.Apply(graph, plan, new SurgeryOptions { Optimizers = earlier is null ? [] : [earlier] }));
        step("proof", () => ZooFailureException.Unless(cut.ProofError is >= 0 and <= Tolerance, $"the proof's error is {cut.ProofError} (at most {Tolerance}), worst in '{cut.Proof.WorstLayer}'"));
        _worstProof = Math.Max(_worstProof, cut.ProofError);
        step("frozen as before", () => before.ThrowUnlessSameFrozen(model));
        step("cost", () => CheckCost(plan, graph));
        step("shapes of the answers", () => Answers.SameShapes(answers, Answers.Of(_zoo, model), _zoo.CountsVary));
        step("save and load", () => CheckStorage(plan));
        step("trace again", () => CheckTrace(plan));
        using var optimizer = earlier is null ? TrainingCheck.Optimizer(model) : null;
        step("train", () => TrainingCheck.Step(_zoo, model, earlier ?? optimizer!));
        step("undo", () => CheckUndo(cut, before, answers));
        if (configuration.IsShown) (_before, _after) = (plan.Before, plan.Predicted);
    }

    private void CheckCost(PruningPlan plan, DependencyGraph graph)
    {
        var measured = ModelCost.Measure(graph);
        ZooFailureException.Unless(measured == plan.Predicted, $"predicted were {plan.Predicted}, measured {measured}");
        var counted = CountParameters(_subject.Model);
        ZooFailureException.Unless(counted == plan.Predicted.Parameters, $"predicted were {plan.Predicted.Parameters} parameters, counted {counted}");
    }

    // A frozen norm keeps its weight and bias in buffers; they are numbers of the model all the same.
    private static long CountParameters(nn.Module model) =>
        model.parameters().DistinctBy(ModelValues.Address).Sum(parameter => parameter.numel())
        + model.named_buffers().Where(pair => pair.name.Split('.')[^1] is "weight" or "bias").Sum(pair => pair.buffer.numel());

    private void CheckStorage(PruningPlan plan)
    {
        using var scope = NewDisposeScope();
        var folder = Directory.CreateTempSubdirectory();
        try
        {
            var path = Path.Combine(folder.FullName, "model.safetensors");
            PrunedModel.Save(_subject.Model, plan, path);
            // Other random weights than the saved model's: whatever is not loaded shows.
            manual_seed(Seed + 1);
            using var fresh = _zoo.Create();
            PrunedModel.Load(fresh, path);
            ModelValues.Of(_subject.Model).ThrowUnlessSame(fresh);
            Answers.SameBits(Answers.Of(_zoo, _subject.Model), Answers.Of(_zoo, fresh));
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private void CheckTrace(PruningPlan plan)
    {
        var again = DependencyGraph.Trace(_subject.Model, _subject.Forward);
        RegroupCheck.Run(_subject.Graph, plan, again);
        var measured = ModelCost.Measure(again);
        // Where the number of boxes follows from the values, so does the work of the layers that look at them.
        ZooFailureException.Unless(_zoo.CountsVary ? measured.Parameters == plan.Predicted.Parameters : measured == plan.Predicted, $"predicted were {plan.Predicted}, a new trace measures {measured}");
    }

    private void CheckUndo(CutResult cut, ModelValues before, IReadOnlyList<(string Place, Tensor Tensor)> answers)
    {
        var model = _subject.Model;
        var shapes = before.Shapes;
        var cutTensors = model.state_dict().Where(entry => !entry.Value.shape.SequenceEqual(shapes[entry.Key])).Select(entry => entry.Key).ToHashSet();
        cut.Undo();
        // What was trained since in tensors that were not cut is not the cut's to undo.
        before.Restore(model, cutTensors.Contains);
        before.ThrowUnlessSame(model);
        Answers.SameBits(answers, Answers.Of(_zoo, model));
    }
}
