using FilterPruning.Detection.Models;

namespace FilterPruning.Detection.Pipeline;

/// <summary>Which images may share a batch: those that the network sees at the same padded size.</summary>
internal sealed class BatchPlanner(MaskRcnnOptions options)
{
    private readonly GeneralizedRcnnTransform _transform = new(options);

    /// <summary>Height and width of the batch that an image has alone.</summary>
    public (int Height, int Width) PaddedSize(Tensor image)
    {
        var (height, width) = _transform.ResizedSize(image.shape[1], image.shape[2], options.MinSize);
        return (RoundUp(height), RoundUp(width));
    }

    /// <summary>Throws unless the tensor is an image.</summary>
    public static void Check(Tensor image)
    {
        if (image.dtype != float32 || image.dim() != 3 || image.shape[0] != 3 || image.shape[1] == 0 || image.shape[2] == 0)
            throw new ArgumentException($"The image is {image.dtype} [{string.Join(", ", image.shape)}]; give float32 [3, height, width], RGB, values from 0 to 1.");
    }

    private int RoundUp(int size) => (size + options.SizeDivisible - 1) / options.SizeDivisible * options.SizeDivisible;
}
