using System.CommandLine;
using FilterPruning.Detection.Models;
using FilterPruning.Planning;
using FilterPruning.Schedules;

namespace FilterPruning.Cli.Study;

/// <summary>What the command line asks for, checked as far as it can be without building the model.</summary>
internal sealed record StudySetup(
    string Data, DetectorDescription Description, IReadOnlyList<StudyKey> Points, int Images, int EvalImages, int LatencyPairs, int? Limit, bool FineTunes, IReadOnlyList<string> Join,
    IReadOnlyList<(StudyKey Key, Shard Shard)> Shards, string Out);

/// <summary>The options of <c>study</c>.</summary>
internal sealed class StudyOptions
{
    private const int DefaultLatencyPairs = 6;

    private readonly Option<string> _data = new("--data") { Description = $"'{DataSource.ShapeScenesName}' (made on the fly) or a Penn-Fudan folder.", HelpName = "DIR|shapescenes", Required = true };
    private readonly Option<string> _criteria = List("--criteria", $"Criteria, most informative first: {StudyCriteria.List}. 'random' is run with every seed.", "l1,random,l2");
    private readonly Option<string?> _best = new("--best") { Description = $"The library's best criterion, placed after the first; 'none' for no other. Default {StudyCriteria.Gram}, none beside --criteria.", HelpName = "NAME" };
    private readonly Option<string> _seeds = List("--seeds", "Seeds of the random criterion.", "0,1,2");
    private readonly Option<string> _scopes = List("--scopes", $"How what goes is shared out: {StudyScopes.List}.", string.Join(',', StudyScopes.Default));
    private readonly Option<string> _layers = List("--layers", $"Whose filters are counted: {string.Join(", ", LayerScopes.Names)}; several joined by '+'.", LayerScopes.All);
    private readonly Option<string?> _ratios = new("--ratios") { Description = "Shares of the filters to remove (default 0,0.1 ... 0.9; none beside --targets).", HelpName = "LIST" };
    private readonly Option<string?> _targets = new("--targets") { Description = "What is to remain, for instance macs:0.5,parameters:0.25.", HelpName = "LIST" };
    private readonly Option<string> _repairs = List("--repairs", $"Repairs: {string.Join(", ", StudyRepairs.Names)}.", $"{StudyRepairs.None},{StudyRepairs.LeastSquares}");
    private readonly Option<string?> _budgets = new("--fine-tune") { Description = "Besides, train every cut again from the labels and the unpruned model, for these shares of the original training, for instance 0.25,0.5.", HelpName = "LIST" };
    private readonly Option<int> _images = new("--images") { Description = "Unlabelled training images to repair from.", DefaultValueFactory = _ => 64, HelpName = "N" };
    private readonly Option<int?> _evalImages = new("--eval-images") { Description = "Test images to measure on (default 25 photos or 100 scenes).", HelpName = "N" };
    private readonly Option<int> _pairs = new("--latency-pairs") { Description = "How often the unpruned and the pruned model are timed in turn; 0 for not at all.", DefaultValueFactory = _ => DefaultLatencyPairs, HelpName = "N" };
    private readonly Option<string> _out = new("--out") { Description = "The file of JSON lines to continue or begin.", HelpName = "FILE", Required = true };
    private readonly Option<string?> _shard = new("--shard") { Description = "Only the i-th of n parts; each needs a file of its own.", HelpName = "i/n" };
    private readonly Option<string[]> _join = new("--join") { Description = "Take points from these files, those of the other shards for instance; what none of them has is measured.", HelpName = "FILE", AllowMultipleArgumentsPerToken = true, DefaultValueFactory = _ => [] };
    private readonly Option<int?> _shards = new("--shards") { Description = "With --dry-run: say which of N shards miss points.", HelpName = "N" };
    private readonly Option<int?> _limit = new("--points") { Description = "Stop after so many new points.", HelpName = "N" };

    public StudyOptions(Command command)
    {
        command.Options.Add(_data);
        Model = new ModelSource(command, weightsNeeded: true);
        foreach (var option in (Option[])[_criteria, _best, _seeds, _scopes, _layers, _ratios, _targets, _repairs, _budgets, _images, _evalImages, _pairs, _out, _shard, _join, _shards, _limit, DryRun, Json])
            command.Options.Add(option);
    }

    public ModelSource Model { get; }

    public Option<bool> DryRun { get; } = new("--dry-run") { Description = "List the points and the time they will take; measure nothing." };

    public Option<bool> Json { get; } = new("--json") { Description = "Print one JSON object." };

    /// <exception cref="ArgumentException">An option cannot be used; says which, what was given and what is allowed.</exception>
    public StudySetup Read(ParseResult parsed)
    {
        var data = parsed.GetValue(_data)!;
        var dataset = StudyData.NameOf(data);
        var evalImages = AtLeast("--eval-images", parsed.GetValue(_evalImages) ?? StudyData.DefaultEvalImages(data), 1);
        var images = AtLeast("--images", parsed.GetValue(_images), 1);
        var (description, weights) = Model.Describe(parsed);
        if (Model.PlanOf(parsed) is not null)
            throw new ArgumentException($"'{weights}' is pruned already. Give the weights of the unpruned model with --weights.");
        var targets = parsed.GetValue(_targets) is { } given ? StudyLists.Targets(given) : [];
        var budgets = parsed.GetValue(_budgets) is { } shares ? StudyLists.Budgets(shares) : [];
        var grid = new StudyGrid
        {
            Dataset = dataset,
            Model = dataset == DataSource.ShapeScenesName ? DataSource.ShapeScenesName : description.Model,
            Checkpoint = StateHash.OfFile(weights!),
            EvalImages = evalImages,
            EvalSize = description.Options.MinSize,
            Criteria = Criteria(parsed),
            Seeds = StudyLists.Seeds(parsed.GetValue(_seeds)!),
            Scopes = Checked("--scopes", parsed.GetValue(_scopes)!, scope => StudyScopes.Apply(scope, new PruningOptions())),
            Layers = Checked("--layers", parsed.GetValue(_layers)!, layers => LayerScopes.Describe(layers)),
            Ratios = parsed.GetValue(_ratios) is { } ratios ? StudyLists.Ratios(ratios) : targets.Count > 0 ? [0] : StudyGrid.AllRatios,
            Targets = targets,
            Repairs = Checked("--repairs", parsed.GetValue(_repairs)!, StudyRepairs.NeedsPhotos),
            Budgets = budgets,
            Images = images,
        };
        var shard = parsed.GetValue(_shard) is { } part ? StudyLists.Shard(part) : new Shard(1, 1);
        return new StudySetup(
            data,
            description,
            [.. grid.Shared(shard.Count).Where(point => point.Shard == shard).Select(point => point.Key)],
            images,
            evalImages,
            AtLeast("--latency-pairs", parsed.GetValue(_pairs), 0),
            parsed.GetValue(_limit) is { } limit ? AtLeast("--points", limit, 1) : null,
            budgets.Count > 0,
            parsed.GetValue(_join)!,
            parsed.GetValue(_shards) is { } count ? grid.Shared(AtLeast("--shards", count, 1)) : [],
            parsed.GetValue(_out)!);
    }

    private List<string> Criteria(ParseResult parsed)
    {
        var criteria = StudyLists.Split("--criteria", parsed.GetValue(_criteria)!).Select(StudyCriteria.Check).Distinct().ToList();
        // Whoever names criteria wants those alone.
        var best = parsed.GetValue(_best) ?? (parsed.GetResult(_criteria) is { Implicit: false } ? "none" : StudyCriteria.Gram);
        if (best != "none" && StudyCriteria.Check(best) is var name && !criteria.Contains(name))
            criteria.Insert(1, name);
        return criteria;
    }

    private static IReadOnlyList<string> Checked<T>(string option, string text, Func<string, T> check)
    {
        var parts = StudyLists.Split(option, text);
        foreach (var part in parts)
            _ = check(part);
        return parts;
    }

    private static int AtLeast(string option, int value, int least) => value >= least ? value : throw new ArgumentException($"{option} is {value}; give at least {least}.");

    private static Option<string> List(string name, string description, string byDefault) => new(name) { Description = description, DefaultValueFactory = _ => byDefault, HelpName = "LIST" };
}
