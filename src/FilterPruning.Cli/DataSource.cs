using System.CommandLine;
using FilterPruning.Detection.Data;
using FilterPruning.Detection.Models;

namespace FilterPruning.Cli;

/// <summary>The options that say which images a command works on.</summary>
internal sealed class DataSource
{
    /// <summary>The name of the data that needs no folder.</summary>
    public const string ShapeScenesName = "shapescenes";

    private readonly Option<string> _data = new("--data")
    {
        Description = $"'{ShapeScenesName}' (made on the fly), a Penn-Fudan folder, or a folder in COCO format.",
        HelpName = "DIR|shapescenes",
        Required = true,
    };

    private readonly Option<int?> _images = new("--images") { Description = "Use only the first N images (ShapeScenes: make N).", HelpName = "N" };

    private readonly Option<int> _seed = new("--seed") { Description = "Seed of the split, or of the scenes.", HelpName = "N", DefaultValueFactory = _ => 0 };

    private readonly Option<double> _heldOut = new("--held-out")
    {
        Description = "Share of the images to hold out for evaluation, where a COCO folder has one annotation file for all; 0 trains on all.",
        HelpName = "R",
        DefaultValueFactory = _ => CocoParts.DefaultHeldOut,
    };

    private readonly Option<string?> _which = new("--part")
    {
        Description = "Which images: test (held out from training), train, or all. By default those held out from training where that is known, otherwise all.",
        HelpName = "test|train|all",
    };

    private readonly DataPart _part;

    public DataSource(Command command, DataPart part)
    {
        _part = part;
        command.Options.Add(_data);
        command.Options.Add(_images);
        command.Options.Add(_seed);
        if (part == DataPart.Train)
            command.Options.Add(_heldOut);
        if (part == DataPart.Test)
            command.Options.Add(_which);
    }

    public string Name(ParseResult parsed) => parsed.GetValue(_data)!;

    public int? Images(ParseResult parsed) => parsed.GetValue(_images);

    public int Seed(ParseResult parsed) => parsed.GetValue(_seed);

    public bool IsShapeScenes(ParseResult parsed) => Name(parsed) == ShapeScenesName;

    /// <summary>Whether the data have annotations, and are not just a folder of pictures.</summary>
    public bool IsAnnotated(ParseResult parsed) => IsShapeScenes(parsed) || DataFolders.IsAnnotated(Name(parsed));

    /// <summary>The pictures of a folder, without labels.</summary>
    /// <param name="parsed">The command line.</param>
    /// <param name="classNames">Of the model they are for.</param>
    public IDetectionDataset OpenPictures(ParseResult parsed, IReadOnlyList<string> classNames) =>
        DataFolders.Pictures(Name(parsed), parsed.GetValue(_images), parsed.GetValue(_seed), classNames);

    /// <summary>The images to train a detector on again: of the folder that it was trained on just those, of another what is not held out.</summary>
    public (IDetectionDataset Images, TrainingSplit? Split) OpenTraining(ParseResult parsed, DetectorDescription detector)
    {
        var split = detector.Split is { } known && DataFolders.IsOf(Name(parsed), known) ? known : Split(parsed);
        return (DataFolders.Open(Name(parsed), _part, Images(parsed), Seed(parsed), detector.NumClasses, split), split);
    }

    /// <summary>How the folder is split for a training; null where it has parts of its own or nothing is held out.</summary>
    public TrainingSplit? Split(ParseResult parsed) => DataFolders.SplitOf(Name(parsed), parsed.GetValue(_heldOut), Seed(parsed));

    /// <summary>The images to train on.</summary>
    public IDetectionDataset Open(ParseResult parsed, TrainingSplit? split) =>
        DataFolders.Open(Name(parsed), _part, Images(parsed), Seed(parsed), null, split);

    /// <summary>The images to measure a detector on: where it says how it was trained on just this folder, those that were held out.</summary>
    public IDetectionDataset Open(ParseResult parsed, DetectorDescription detector)
    {
        var part = Part(parsed);
        var split = detector.Split is { } known && DataFolders.IsOf(Name(parsed), known) ? known : null;
        if (split is null && parsed.GetValue(_which) is not null && part != DataPart.All)
            split = DataFolders.SplitOf(Name(parsed), CocoParts.DefaultHeldOut, Seed(parsed));
        return DataFolders.Open(Name(parsed), part, Images(parsed), Seed(parsed), detector.NumClasses, split);
    }

    private DataPart Part(ParseResult parsed) => parsed.GetValue(_which) switch
    {
        null => _part,
        "test" => DataPart.Test,
        "train" => DataPart.Train,
        "all" when IsShapeScenes(parsed) => throw new ArgumentException("--part is 'all', but scenes have no end. Give --images N, and test or train."),
        "all" => DataPart.All,
        var other => throw new ArgumentException($"--part is '{other}'; allowed are test, train, all."),
    };
}
