using FilterPruning.Detection.Data;
using FilterPruning.Detection.Models;

namespace FilterPruning.Detection.Training;

/// <summary>The trainings this project uses, by name. Change one with <c>with</c>.</summary>
public static class TrainingRecipes
{
    /// <summary>
    /// The sample checkpoint: a narrow ResNet-18-FPN with live BatchNorm, from scratch, on <see cref="ShapeScenes"/>; every scene is seen once. Under an hour on two cores.
    /// Scenes for judging it take another seed than <see cref="TrainingRecipe.DataSeed"/>.
    /// </summary>
    public static TrainingRecipe ShapeScenes { get; } = new()
    {
        Name = "shapescenes",
        Description = "Narrow ResNet-18-FPN with live BatchNorm, from scratch, on synthetic scenes of 160 pixels.",
        Architecture = "maskrcnn_resnet18_fpn",
        NumClasses = 6,
        TrainingImages = 24_000,
        DataSeed = 1,
        Model = new MaskRcnnOptions
        {
            MinSize = 160,
            MaxSize = 320,
            Norm = BackboneNorm.Live,
            TrainableLayers = 5,
            BackboneWidth = 32,
            FpnChannels = 96,
            RepresentationSize = 256,
            MaskChannels = 64,
            MaskReducedChannels = 64,
            AnchorSizes = [[8], [16], [32], [64], [128]],
            RpnPreNmsTopNTrain = 300,
            RpnPostNmsTopNTrain = 150,
            RpnPreNmsTopNTest = 300,
            RpnPostNmsTopNTest = 150,
            RpnBatchSizePerImage = 64,
            BoxBatchSizePerImage = 64,
            BoxDetectionsPerImage = 30,
        },
        Training = new TrainingOptions
        {
            Epochs = 1,
            BatchSize = 8,
            LearningRate = 0.04,
            WeightDecay = 1e-4,
            WarmUpIterations = 200,
            ClipGradientNorm = 5,
            // Every scene is new; mirrored ones would be no more new.
            FlipProbability = 0,
            AverageDecay = 0.998,
            CheckpointInterval = 250,
        },
    };

    /// <summary>
    /// Pedestrians of Penn-Fudan: ResNet-50-FPN with frozen norms from ImageNet weights, 120 images for training and 50 for testing. Stem and first stage stay as they are.
    /// </summary>
    public static TrainingRecipe PennFudan { get; } = new()
    {
        Name = "pennfudan",
        Description = "ResNet-50-FPN from ImageNet weights on the Penn-Fudan pedestrians, 320 pixels.",
        Architecture = "maskrcnn_resnet50_fpn",
        NumClasses = 2,
        TrainingImages = 120,
        DataSeed = 0,
        Model = new MaskRcnnOptions
        {
            MinSize = 320,
            MaxSize = 544,
            TrainMinSizes = [256, 288, 320, 352],
            TrainableLayers = 3,
            RpnPreNmsTopNTrain = 1000,
            RpnPostNmsTopNTrain = 500,
            RpnPreNmsTopNTest = 500,
            RpnPostNmsTopNTest = 300,
            RpnBatchSizePerImage = 256,
            BoxBatchSizePerImage = 128,
            BoxDetectionsPerImage = 20,
        },
        Training = new TrainingOptions
        {
            Epochs = 8,
            BatchSize = 2,
            LearningRate = 0.008,
            WeightDecay = 5e-4,
            WarmUpIterations = 60,
            ClipGradientNorm = 10,
            ScaleJitterMin = 0.8,
            ScaleJitterMax = 1.25,
            CheckpointInterval = 60,
        },
    };

    /// <summary>
    /// The pedestrians with a ResNet-18-FPN, for weights whose last stage is partly missing: as <see cref="PennFudan"/>, but twice as long, since what is missing is
    /// learned from 120 photos.
    /// </summary>
    public static TrainingRecipe PennFudanResNet18 { get; } = PennFudan with
    {
        Name = "pennfudan-resnet18",
        Description = "ResNet-18-FPN from ImageNet weights on the Penn-Fudan pedestrians, 320 pixels.",
        Architecture = "maskrcnn_resnet18_fpn",
        Training = PennFudan.Training with { Epochs = 16, WarmUpIterations = 120 },
    };

    /// <summary>All recipes that need no numbers of a data set.</summary>
    public static IReadOnlyList<TrainingRecipe> All { get; } = [ShapeScenes, PennFudan, PennFudanResNet18];

    /// <summary>
    /// A user's own photos: ResNet-50-FPN with frozen norms, from ImageNet or COCO weights, at 480 pixels and a learning rate that suits some tens to thousands of images.
    /// </summary>
    /// <param name="data">The photos; the number of classes and of iterations follow from it.</param>
    /// <param name="epochs">How often each is seen; null takes as many as make about 2000 iterations, 8 … 100.</param>
    public static TrainingRecipe ForDataset(IDetectionDataset data, int? epochs = null)
    {
        ArgumentNullException.ThrowIfNull(data);
        const int batch = 2;
        var perEpoch = Math.Max(1, data.Count / batch);
        return PennFudan with
        {
            Name = "custom",
            Description = $"ResNet-50-FPN from pretrained weights on '{data.Name}', 480 pixels.",
            NumClasses = data.ClassNames.Count + 1,
            TrainingImages = 0,
            Model = PennFudan.Model with { MinSize = 480, MaxSize = 800, TrainMinSizes = [384, 432, 480, 528], BoxDetectionsPerImage = 100, RpnPostNmsTopNTest = 500, RpnPreNmsTopNTest = 1000 },
            Training = PennFudan.Training with { Epochs = epochs ?? Math.Clamp(2000 / perEpoch, 8, 100), BatchSize = batch, LearningRate = 0.005, CheckpointInterval = 200 },
        };
    }

    /// <summary>The recipe of a name.</summary>
    /// <exception cref="ArgumentException">There is none of that name; the message lists those there are.</exception>
    public static TrainingRecipe Find(string name) =>
        All.FirstOrDefault(r => r.Name == name) ?? throw new ArgumentException($"There is no training recipe '{name}'; there are {string.Join(", ", All.Select(r => r.Name))}.", nameof(name));
}
