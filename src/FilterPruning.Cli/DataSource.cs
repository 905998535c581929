using System.CommandLine;
using FilterPruning.Detection.Data;

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

    private readonly DataPart _part;

    public DataSource(Command command, DataPart part)
    {
        _part = part;
        command.Options.Add(_data);
        command.Options.Add(_images);
        command.Options.Add(_seed);
    }

    public int? Images(ParseResult parsed) => parsed.GetValue(_images);

    public int Seed(ParseResult parsed) => parsed.GetValue(_seed);

    public bool IsShapeScenes(ParseResult parsed) => parsed.GetValue(_data) == ShapeScenesName;

    /// <summary>Whether the folder is one that <see cref="Open"/> takes, not just pictures.</summary>
    public bool IsAnnotated(ParseResult parsed) => IsShapeScenes(parsed) || DataFolders.IsAnnotated(parsed.GetValue(_data)!);

    /// <summary>The pictures of a folder, without labels.</summary>
    /// <param name="parsed">The command line.</param>
    /// <param name="classNames">Of the model they are for.</param>
    public IDetectionDataset OpenPictures(ParseResult parsed, IReadOnlyList<string> classNames) =>
        DataFolders.Pictures(parsed.GetValue(_data)!, parsed.GetValue(_images), parsed.GetValue(_seed), classNames);

    public IDetectionDataset Open(ParseResult parsed, int? classes = null) =>
        DataFolders.Open(parsed.GetValue(_data)!, _part, parsed.GetValue(_images), parsed.GetValue(_seed), classes);
}
