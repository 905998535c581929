using FilterPruning.Detection.Models;

namespace FilterPruning.Detection.Training;

/// <summary>What to train and how, as plain data: which network, how wide, and the training's options. See <see cref="TrainingRecipes"/>.</summary>
public sealed record TrainingRecipe
{
    /// <summary>The recipe's name, in lower case.</summary>
    public required string Name { get; init; }

    /// <summary>What it is for, in one sentence.</summary>
    public required string Description { get; init; }

    /// <summary>One of <see cref="MaskRcnn.Names"/>.</summary>
    public required string Architecture { get; init; }

    /// <summary>The number of classes, the background included.</summary>
    public required int NumClasses { get; init; }

    /// <summary>Widths, image size, anchors and sample counts of the model.</summary>
    public required MaskRcnnOptions Model { get; init; }

    /// <summary>How to train it.</summary>
    public required TrainingOptions Training { get; init; }

    /// <summary>Images to train on where the data set is generated or split; 0 takes all there are.</summary>
    public int TrainingImages { get; init; }

    /// <summary>The seed with which the data set is generated or split.</summary>
    public int DataSeed { get; init; }

    /// <summary>Makes the model with its initial weights; the caller owns it.</summary>
    public MaskRcnnModel CreateModel() => MaskRcnn.Create(Architecture, NumClasses, Model);
}
