using FilterPruning.Detection.Models;

namespace FilterPruning.Detection.Pipeline;

/// <summary>
/// Detection over a stream of images: while some are in the network, others are decoded, and masks of others are pasted, so that the cores are
/// kept busy. <see cref="MaskRcnnModel.Detect(IReadOnlyList{Tensor})"/> is for a few images at hand; this is for many.
/// </summary>
/// <remarks>
/// <para>Results come in the order of the images. A bounded number of images is in memory at any time (<see cref="ThroughputOptions.Prefetch"/>); no image is read before there is room.</para>
/// <para>Every result is the reader's to dispose; its tensors belong to no dispose scope. Do not hold a dispose scope of your own over an <c>await</c>: scopes belong to threads.</para>
/// <para>
/// Cancelling, leaving the loop and failing all end the same way: no further image is read, batches in the network are waited for, and everything that was not handed out is disposed before
/// the enumerator returns. Nothing runs on afterwards. Gradients are never recorded. The model must not be changed, trained or disposed meanwhile.
/// </para>
/// </remarks>
public static class DetectorThroughput
{
    /// <summary>Finds objects in a stream of images.</summary>
    /// <param name="model">The detector; call <c>eval()</c> first where its norms are live.</param>
    /// <param name="images">The images, enumerated once.</param>
    /// <param name="options">How the work is shared out; null takes the defaults.</param>
    /// <param name="cancellation">Ends the stream with <see cref="OperationCanceledException"/>.</param>
    /// <returns>A result for each image, in order.</returns>
    /// <exception cref="ArgumentException">An option is out of its range.</exception>
    /// <exception cref="ThroughputException">While reading, with <see cref="FailureHandling.Throw"/>: an image failed.</exception>
    public static IAsyncEnumerable<DetectionResult> DetectAsync(
        this MaskRcnnModel model, IAsyncEnumerable<ImageSource> images, ThroughputOptions? options = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(images);
        var resolved = (options ?? new ThroughputOptions()).Resolve(get_num_threads());
        return DetectionPipeline.Run(model, images, resolved, cancellation);
    }

    /// <summary>Finds objects in image files.</summary>
    /// <inheritdoc cref="DetectAsync(MaskRcnnModel, IAsyncEnumerable{ImageSource}, ThroughputOptions, CancellationToken)"/>
    /// <param name="model">The detector; call <c>eval()</c> first where its norms are live.</param>
    /// <param name="paths">PNG or JPEG files, enumerated once.</param>
    /// <param name="options">How the work is shared out; null takes the defaults.</param>
    /// <param name="cancellation">Ends the stream with <see cref="OperationCanceledException"/>.</param>
    public static IAsyncEnumerable<DetectionResult> DetectAsync(
        this MaskRcnnModel model, IAsyncEnumerable<string> paths, ThroughputOptions? options = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(paths);
        return model.DetectAsync(paths.Select(ImageSource.FromFile), options, cancellation);
    }

    /// <summary>Finds objects in image files.</summary>
    /// <inheritdoc cref="DetectAsync(MaskRcnnModel, IAsyncEnumerable{ImageSource}, ThroughputOptions, CancellationToken)"/>
    /// <param name="model">The detector; call <c>eval()</c> first where its norms are live.</param>
    /// <param name="paths">PNG or JPEG files, enumerated once.</param>
    /// <param name="options">How the work is shared out; null takes the defaults.</param>
    /// <param name="cancellation">Ends the stream with <see cref="OperationCanceledException"/>.</param>
    public static IAsyncEnumerable<DetectionResult> DetectAsync(
        this MaskRcnnModel model, IEnumerable<string> paths, ThroughputOptions? options = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(paths);
        return model.DetectAsync(paths.Select(ImageSource.FromFile).ToAsyncEnumerable(), options, cancellation);
    }
}
