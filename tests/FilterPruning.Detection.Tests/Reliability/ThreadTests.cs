using FilterPruning.Detection.Models;
using FilterPruning.Graph;
using FilterPruning.Planning;
using FilterPruning.Reliability.Leaks;
using FilterPruning.Reliability.Threads;
using FilterPruning.Surgery;

namespace FilterPruning.Detection.Tests.Reliability;

/// <summary>Several threads detect on one model as each would alone; who changes it meanwhile is told so.</summary>
public sealed class ThreadTests : IDisposable
{
    private readonly MaskRcnnModel _model = TinyDetector.Create();
    private readonly Tensor[] _pictures = TinyDetector.Pictures(6);

    public void Dispose()
    {
        _model.Dispose();
        foreach (var picture in _pictures)
            picture.Dispose();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Four_threads_find_what_one_finds(bool isPrepared)
    {
        // The answers come first, so that the prepared threads all meet weights that are not in order yet.
        byte[][] expected;
        using (isPrepared ? _model.PrepareForInference() : null)
            expected = Together.Alone(_model, _pictures);
        using var prepared = isPrepared ? _model.PrepareForInference() : null;
        Assert.Equal(0, Together.Differences(_model, _pictures, expected, threads: 4, rounds: 3, seed: 1));
        Assert.True(expected.Select(found => found.Length).Distinct().Count() > 1);
    }

    [Fact]
    public void The_comparison_sees_another_answer()
    {
        var expected = Together.Alone(_model, _pictures);
        expected[2][^1] ^= 1;
        Assert.Equal(4, Together.Differences(_model, _pictures, expected, threads: 2, rounds: 2, seed: 1));
    }

    [Fact]
    public void Whoever_changes_the_model_under_a_detection_is_told_so_and_the_detection_goes_on()
    {
        var graph = DependencyGraph.Trace(_model, detector => detector.Detect([_pictures[0]]));
        var plan = PruningPlanner.CreatePlan(graph, new PruningOptions { Ratio = 0.3 });
        var expected = Together.Alone(_model, _pictures);
        using var inside = new ManualResetEventSlim();
        using var goOn = new ManualResetEventSlim();
        var hook = ((nn.Module<Tensor, Tensor>)_model.named_modules().Single(entry => entry.name == "rpn.head.cls_logits").module).register_forward_pre_hook((_, input) =>
        {
            inside.Set();
            goOn.Wait();
            return input;
        });
        byte[][]? found = null;
        var detection = new Thread(() => found = Together.Alone(_model, _pictures));
        detection.Start();
        inside.Wait(TestContext.Current.CancellationToken);
        foreach (var change in new Action[]
        {
            () => _model.PrepareForInference(),
            () => Surgeon.Apply(graph, plan),
            () => DependencyGraph.Trace(_model, detector => detector.Detect([_pictures[0]])),
        })
        {
            Assert.Contains("another thread", Assert.Throws<InvalidOperationException>(change).Message, StringComparison.Ordinal);
        }

        goOn.Set();
        detection.Join();
        hook.remove();
        Assert.Equal(expected, found);
        Surgeon.Apply(graph, plan).Dispose();
    }

    [Fact]
    public void A_preparation_cannot_be_ended_under_a_detection()
    {
        var prepared = _model.PrepareForInference();
        using (ModelUse.Run(_model))
            Assert.Throws<InvalidOperationException>(prepared.Dispose);
        prepared.Dispose();
        prepared.Dispose();
        using var again = _model.PrepareForInference();
        Assert.NotSame(prepared, again);
    }

    [Fact]
    public void A_detection_during_a_trace_is_told_so_and_the_trace_goes_on()
    {
        using var inside = new ManualResetEventSlim();
        using var goOn = new ManualResetEventSlim();
        DependencyGraph? graph = null;
        var trace = new Thread(() => graph = DependencyGraph.Trace(_model, detector =>
        {
            inside.Set();
            goOn.Wait();
            return detector.Detect([_pictures[0]]);
        }));
        trace.Start();
        inside.Wait(TestContext.Current.CancellationToken);
        Assert.Contains("a trace", Assert.Throws<InvalidOperationException>(() => _model.Detect([_pictures[0]])).Message, StringComparison.Ordinal);
        goOn.Set();
        trace.Join();
        Assert.NotNull(graph);
        _model.Detect([_pictures[0]])[0].Dispose();
    }
}
