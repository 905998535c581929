using System.CommandLine;
using FilterPruning.Detection.Models;

namespace FilterPruning.Cli;

/// <summary>The options that say which model a command works on, and how it is built.</summary>
internal sealed class ModelSource
{
    private const int DefaultClasses = 91;

    private readonly Option<string?> _model = new("--model")
    {
        Description = $"The architecture: {string.Join(", ", MaskRcnn.Names)}. Not needed when the weights file says what it holds.",
        HelpName = "NAME",
    };

    private readonly Option<string?> _weights = new("--weights") { Description = "Weights: .safetensors, or PyTorch's .pth.", HelpName = "FILE" };

    private readonly Option<int?> _classes = new("--classes") { Description = $"Number of classes, the background included (default {DefaultClasses}).", HelpName = "N" };

    private readonly Option<int?> _size = new("--size") { Description = "Short side in pixels that images are resized to.", HelpName = "PX" };

    private readonly Option<string?> _weightsKey = new("--weights-key")
    {
        Description = "The entry of a checkpoint to take weights from, such as model_ema. Found by itself where there is one; plain weights are taken before averaged ones.",
        HelpName = "NAME",
    };

    private readonly bool _weightsNeeded;
    private readonly int? _defaultSize;

    public ModelSource(Command command, bool weightsNeeded, int? defaultSize = null)
    {
        _weightsNeeded = weightsNeeded;
        _defaultSize = defaultSize;
        command.Options.Add(_model);
        command.Options.Add(_weights);
        command.Options.Add(_weightsKey);
        command.Options.Add(_classes);
        command.Options.Add(_size);
    }

    /// <summary>Builds the model in evaluation mode; the caller owns it.</summary>
    public (MaskRcnnModel Model, DetectorDescription Description) Load(ParseResult parsed)
    {
        var (description, weights) = Describe(parsed);
        var model = description.Create();
        try
        {
            if (weights is not null)
                CheckpointNote.Tell(weights, DetectorFile.LoadWeights(model, weights, parsed.GetValue(_weightsKey)));
            model.eval();
            return (model, description);
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    /// <summary>Whether a weights file was given.</summary>
    public bool HasWeights(ParseResult parsed) => parsed.GetValue(_weights) is not null;

    /// <summary>What the model will be, without building it, and the file its weights come from, if any.</summary>
    public (DetectorDescription Description, string? Weights) Describe(ParseResult parsed)
    {
        var weights = parsed.GetValue(_weights);
        if (weights is null && _weightsNeeded)
            throw new ArgumentException("No weights were given. Give a file with --weights FILE.");
        if (weights is not null && !File.Exists(weights))
            throw new ArgumentException($"There is no file '{weights}'. Give a .safetensors or .pth file with --weights.");
        return (Resolve(parsed, weights is null ? null : DetectorFile.Describe(weights)), weights);
    }

    /// <summary>The short side the model resizes to.</summary>
    public int SizeOf(ParseResult parsed, DetectorDescription description) => parsed.GetValue(_size) ?? description.Options.MinSize;

    /// <summary>The recipe already in the weights file, or null.</summary>
    public Planning.PruningPlan? PlanOf(ParseResult parsed) => parsed.GetValue(_weights) is { } weights ? DetectorFile.ReadPlan(weights) : null;

    private DetectorDescription Resolve(ParseResult parsed, DetectorDescription? known)
    {
        var name = parsed.GetValue(_model);
        var classes = parsed.GetValue(_classes);
        if (known is not null && name is not null && name != known.Model)
            throw new ArgumentException($"--model says '{name}', but the weights file holds a '{known.Model}'. Leave --model out.");
        if (known is not null && classes is not null && classes != known.NumClasses)
            throw new ArgumentException($"--classes says {classes}, but the weights file holds {known.NumClasses} classes (the background included). Leave --classes out.");
        if (known is null && name is null)
            throw new ArgumentException($"No model was named. Give --model, one of: {string.Join(", ", MaskRcnn.Names)}.");
        if (classes is < 2)
            throw new ArgumentException($"--classes is {classes}; a detector has at least 2 classes, the background included.");

        var description = known ?? new DetectorDescription { Model = name!, ClassNames = [.. Enumerable.Range(1, (classes ?? DefaultClasses) - 1).Select(label => $"class {label}")] };
        if ((parsed.GetValue(_size) ?? (known is null ? _defaultSize : null)) is not { } size)
            return description;
        if (size is < 32 or > 4096)
            throw new ArgumentException($"--size is {size}; allowed is 32 to 4096 pixels.");
        var options = description.Options;
        var longest = (int)Math.Round(size * (double)options.MaxSize / options.MinSize);
        return description with { Options = options with { MinSize = size, MaxSize = Math.Max(size, longest) } };
    }
}
