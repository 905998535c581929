namespace FilterPruning.Detection.Models;

/// <summary>
/// Everything that can be set about a Mask R-CNN. Defaults are torchvision 0.14's. Names follow its keyword arguments;
/// "Test" settings are used by <see cref="MaskRcnnModel.Detect(IReadOnlyList{Tensor})"/>, "Train" settings by its losses.
/// </summary>
/// <remarks>Immutable. Checked once, when a model is made: one exception lists every violation.</remarks>
public sealed record MaskRcnnOptions
{
    /// <summary>The shorter side images are resized to, in pixels. Default 800.</summary>
    public int MinSize { get; init; } = 800;

    /// <summary>The longer side is kept at or below this, in pixels, even if the shorter one then stays below <see cref="MinSize"/>. Default 1333.</summary>
    public int MaxSize { get; init; } = 1333;

    /// <summary>Shorter sides to draw from while training, one per image. Default empty: always <see cref="MinSize"/>.</summary>
    public IReadOnlyList<int> TrainMinSizes { get; init; } = [];

    /// <summary>Mean of the red, green and blue values, subtracted first. Default ImageNet's.</summary>
    public IReadOnlyList<double> ImageMean { get; init; } = [0.485, 0.456, 0.406];

    /// <summary>Standard deviation of the red, green and blue values, divided by. Default ImageNet's.</summary>
    public IReadOnlyList<double> ImageStd { get; init; } = [0.229, 0.224, 0.225];

    /// <summary>Batches are padded with zeros to a multiple of this, in pixels. Default 32, which is also the least the backbone can take.</summary>
    public int SizeDivisible { get; init; } = 32;

    /// <summary>The backbone's normalisation. Default frozen.</summary>
    public BackboneNorm Norm { get; init; } = BackboneNorm.Frozen;

    /// <summary>Added to the variance under the root. Default 1e-5; torchvision's own COCO checkpoint was trained with 0.</summary>
    public double NormEps { get; init; } = 1e-5;

    /// <summary>How many stages of the backbone train, counted from the last: 0 none, 3 layer2 to layer4, 5 everything. Default 3.</summary>
    public int TrainableLayers { get; init; } = 3;

    /// <summary>Channels of the stem and of the first stage's inner convolutions; later stages have 2, 4 and 8 times as many. Default 64.</summary>
    public int BackboneWidth { get; init; } = 64;

    /// <summary>Channels of the feature pyramid, and of the RPN's convolution. Default 256.</summary>
    public int FpnChannels { get; init; } = 256;

    /// <summary>Anchor sizes in pixels, a list for each of the five pyramid levels. Default 32, 64, 128, 256, 512.</summary>
    public IReadOnlyList<IReadOnlyList<int>> AnchorSizes { get; init; } = [[32], [64], [128], [256], [512]];

    /// <summary>Anchor heights divided by widths, used on every level. Default 0.5, 1, 2.</summary>
    public IReadOnlyList<double> AspectRatios { get; init; } = [0.5, 1.0, 2.0];

    /// <summary>Best-scored anchors of each level that go into suppression while training. Default 2000.</summary>
    public int RpnPreNmsTopNTrain { get; init; } = 2000;

    /// <summary>Best-scored anchors of each level that go into suppression when detecting. Default 1000.</summary>
    public int RpnPreNmsTopNTest { get; init; } = 1000;

    /// <summary>Proposals per image after suppression while training. Default 2000.</summary>
    public int RpnPostNmsTopNTrain { get; init; } = 2000;

    /// <summary>Proposals per image after suppression when detecting. Default 1000.</summary>
    public int RpnPostNmsTopNTest { get; init; } = 1000;

    /// <summary>Of two proposals that overlap more than this IoU, the lower scored goes. Default 0.7.</summary>
    public double RpnNmsThresh { get; init; } = 0.7;

    /// <summary>An anchor with at least this IoU with an object is foreground. Default 0.7.</summary>
    public double RpnFgIouThresh { get; init; } = 0.7;

    /// <summary>An anchor with less than this IoU with every object is background; between the two it is ignored. Default 0.3.</summary>
    public double RpnBgIouThresh { get; init; } = 0.3;

    /// <summary>Anchors per image in the RPN's losses. Default 256.</summary>
    public int RpnBatchSizePerImage { get; init; } = 256;

    /// <summary>The largest share of foreground among them. Default 0.5.</summary>
    public double RpnPositiveFraction { get; init; } = 0.5;

    /// <summary>Proposals below this objectness (0 … 1) are dropped. Default 0.</summary>
    public double RpnScoreThresh { get; init; }

    /// <summary>Detections at or below this score (0 … 1) are dropped. Default 0.05.</summary>
    public double BoxScoreThresh { get; init; } = 0.05;

    /// <summary>Of two detections of one class that overlap more than this IoU, the lower scored goes. Default 0.5.</summary>
    public double BoxNmsThresh { get; init; } = 0.5;

    /// <summary>The most detections reported for an image. Default 100.</summary>
    public int BoxDetectionsPerImage { get; init; } = 100;

    /// <summary>A proposal with at least this IoU with an object is foreground. Default 0.5.</summary>
    public double BoxFgIouThresh { get; init; } = 0.5;

    /// <summary>A proposal with less than this IoU with every object is background; between the two it is ignored. Default 0.5.</summary>
    public double BoxBgIouThresh { get; init; } = 0.5;

    /// <summary>Proposals per image in the losses of the box head. Default 512.</summary>
    public int BoxBatchSizePerImage { get; init; } = 512;

    /// <summary>The largest share of foreground among them. Default 0.25.</summary>
    public double BoxPositiveFraction { get; init; } = 0.25;

    /// <summary>Weights of the box offsets x, y, w, h in the box head. Default 10, 10, 5, 5.</summary>
    public IReadOnlyList<double> BoxRegWeights { get; init; } = [10.0, 10.0, 5.0, 5.0];

    /// <summary>Features of the two linear layers of the box head. Default 1024.</summary>
    public int RepresentationSize { get; init; } = 1024;

    /// <summary>Channels of the mask head's convolutions. Default 256.</summary>
    public int MaskChannels { get; init; } = 256;

    /// <summary>The number of the mask head's convolutions. Default 4.</summary>
    public int MaskLayers { get; init; } = 4;

    /// <summary>Channels of the mask head's transposed convolution. Default 256.</summary>
    public int MaskReducedChannels { get; init; } = 256;

    /// <summary>Seeds the initial weights and the sampling in the losses. Default 0.</summary>
    public long Seed { get; init; }

    /// <summary>The number of anchors at each place of each level.</summary>
    internal int AnchorsPerLocation => AnchorSizes[0].Count * AspectRatios.Count;

    /// <summary>Throws an <see cref="ArgumentException"/> that lists everything wrong with these options and <paramref name="numClasses"/>.</summary>
    internal void Validate(int numClasses)
    {
        var errors = new List<string>();
        if (numClasses < 2)
            errors.Add($"numClasses is {numClasses}; it counts the background, so at least 2");

        AtLeast(1, (nameof(MinSize), MinSize), (nameof(MaxSize), MaxSize), (nameof(BackboneWidth), BackboneWidth), (nameof(FpnChannels), FpnChannels));
        AtLeast(1, (nameof(RepresentationSize), RepresentationSize), (nameof(MaskChannels), MaskChannels), (nameof(MaskLayers), MaskLayers));
        AtLeast(1, (nameof(MaskReducedChannels), MaskReducedChannels), (nameof(RpnPreNmsTopNTrain), RpnPreNmsTopNTrain), (nameof(RpnPreNmsTopNTest), RpnPreNmsTopNTest));
        AtLeast(1, (nameof(RpnPostNmsTopNTrain), RpnPostNmsTopNTrain), (nameof(RpnPostNmsTopNTest), RpnPostNmsTopNTest), (nameof(RpnBatchSizePerImage), RpnBatchSizePerImage));
        AtLeast(1, (nameof(BoxBatchSizePerImage), BoxBatchSizePerImage), (nameof(BoxDetectionsPerImage), BoxDetectionsPerImage));
        Fraction((nameof(RpnNmsThresh), RpnNmsThresh), (nameof(RpnFgIouThresh), RpnFgIouThresh), (nameof(RpnBgIouThresh), RpnBgIouThresh), (nameof(RpnPositiveFraction), RpnPositiveFraction));
        Fraction((nameof(RpnScoreThresh), RpnScoreThresh), (nameof(BoxScoreThresh), BoxScoreThresh), (nameof(BoxNmsThresh), BoxNmsThresh), (nameof(BoxFgIouThresh), BoxFgIouThresh));
        Fraction((nameof(BoxBgIouThresh), BoxBgIouThresh), (nameof(BoxPositiveFraction), BoxPositiveFraction));

        if (TrainMinSizes.Any(size => size < 1))
            errors.Add($"TrainMinSizes has {TrainMinSizes.Min()}; sizes are at least 1");
        if (SizeDivisible < 32 || SizeDivisible % 32 != 0)
            errors.Add($"SizeDivisible is {SizeDivisible}; it must be a multiple of 32, the stride of the last stage");
        if (TrainableLayers is < 0 or > 5)
            errors.Add($"TrainableLayers is {TrainableLayers}; allowed are 0 to 5");
        if (!Enum.IsDefined(Norm))
            errors.Add($"Norm is {(int)Norm}; allowed are Frozen and Live");
        if (!(NormEps >= 0 && double.IsFinite(NormEps)))
            errors.Add($"NormEps is {NormEps}; it must be finite and not negative");
        if (ImageMean.Count != 3 || ImageMean.Any(v => !double.IsFinite(v)))
            errors.Add($"ImageMean has {ImageMean.Count} values; it must have 3 finite ones");
        if (ImageStd.Count != 3 || ImageStd.Any(v => !(v > 0 && double.IsFinite(v))))
            errors.Add($"ImageStd has {ImageStd.Count} values; it must have 3 positive ones");
        if (BoxRegWeights.Count != 4 || BoxRegWeights.Any(v => !(v > 0 && double.IsFinite(v))))
            errors.Add($"BoxRegWeights has {BoxRegWeights.Count} values; it must have 4 positive ones");
        if (AnchorSizes.Count != 5 || AnchorSizes.Any(level => level.Count == 0 || level.Count != AnchorSizes[0].Count || level.Any(size => size < 1)))
            errors.Add("AnchorSizes must list, for each of the 5 pyramid levels, equally many positive sizes");
        if (AspectRatios.Count == 0 || AspectRatios.Any(ratio => !(ratio > 0 && double.IsFinite(ratio))))
            errors.Add("AspectRatios must hold at least one ratio, all positive");
        if (RpnBgIouThresh > RpnFgIouThresh)
            errors.Add($"RpnBgIouThresh {RpnBgIouThresh} is above RpnFgIouThresh {RpnFgIouThresh}");
        if (BoxBgIouThresh > BoxFgIouThresh)
            errors.Add($"BoxBgIouThresh {BoxBgIouThresh} is above BoxFgIouThresh {BoxFgIouThresh}");

        if (errors.Count > 0)
            throw new ArgumentException($"The options of Mask R-CNN have {errors.Count} violation(s): {string.Join("; ", errors)}.");

        void AtLeast(int least, params ReadOnlySpan<(string Name, int Value)> settings)
        {
            foreach (var (name, value) in settings)
            {
                if (value < least)
                    errors.Add($"{name} is {value}; it must be at least {least}");
            }
        }

        void Fraction(params ReadOnlySpan<(string Name, double Value)> settings)
        {
            foreach (var (name, value) in settings)
            {
                if (!(value is >= 0 and <= 1))
                    errors.Add($"{name} is {value}; allowed are 0 to 1");
            }
        }
    }
}
