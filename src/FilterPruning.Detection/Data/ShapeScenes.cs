using System.Runtime.InteropServices;
using FilterPruning.Detection.Data.Scenes;
using FilterPruning.Detection.Models;

namespace FilterPruning.Detection.Data;

/// <summary>
/// Synthetic scenes with exact masks, made on the fly: textured shapes of five classes among distractors that resemble them, with light, shadows, occlusion, blur and noise.
/// It needs no download, and a small Mask R-CNN learns it from scratch, so that pruning can be shown anywhere.
/// </summary>
/// <remarks>
/// Sample i depends on the seed, i and the options alone, and is the same bit by bit in every run, on any thread and in any order: the drawing uses nothing but IEEE additions, multiplications,
/// divisions and square roots. Data sets with unlike seeds have nothing in common; take one for training and another one for testing.
/// Images are on the grid of 8-bit pixels, so that saving one as PNG loses nothing. Masks are the visible parts. Thread-safe.
/// </remarks>
public sealed class ShapeScenes : IDetectionDataset
{
    private static readonly string[] Classes = ["ellipse", "triangle", "box", "star", "ring"];

    private ShapeScenes(int count, int seed, ShapeScenesOptions options)
    {
        Count = count;
        Seed = seed;
        Options = options;
    }

    /// <inheritdoc/>
    public string Name => "shapescenes";

    /// <inheritdoc/>
    public IReadOnlyList<string> ClassNames => Classes;

    /// <inheritdoc/>
    public int Count { get; }

    /// <summary>The seed that was given.</summary>
    public int Seed { get; }

    /// <summary>How the scenes are drawn.</summary>
    public ShapeScenesOptions Options { get; }

    /// <summary>Defines a data set; nothing is drawn before <see cref="Load"/>.</summary>
    /// <param name="count">Number of scenes, 1 or more.</param>
    /// <param name="seed">Any number.</param>
    /// <param name="options">How to draw; null takes the defaults.</param>
    /// <exception cref="ArgumentException">A value is out of its range; the message lists all that are.</exception>
    public static ShapeScenes Create(int count, int seed, ShapeScenesOptions? options = null)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        options ??= new ShapeScenesOptions();
        options.Validate(nameof(options));
        return new ShapeScenes(count, seed, options);
    }

    /// <inheritdoc/>
    /// <exception cref="ArgumentOutOfRangeException">The index is negative, or <see cref="Count"/> or more.</exception>
    public DetectionSample Load(int index)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(index);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(index, Count);
        using var scope = NewDisposeScope();
        var scene = SceneRenderer.Render(SplitMix64.ForItem(Seed, index), Options);
        var image = empty([3, Options.Height, Options.Width], float32);
        scene.Pixels.CopyTo(MemoryMarshal.Cast<byte, float>(image.bytes));
        return new DetectionSample(index, image.MoveToOuterDisposeScope(), ToTarget(scene));
    }

    private Target ToTarget(RenderedScene scene)
    {
        var count = scene.Labels.Count;
        var masks = zeros([count, Options.Height, Options.Width], uint8);
        var boxes = zeros([count, 4], float32);
        var labels = zeros([count], int64);
        if (count > 0)
        {
            scene.WriteMasks(masks.bytes);
            var corners = MemoryMarshal.Cast<byte, float>(boxes.bytes);
            MaskBoxes.Write(masks.bytes, count, Options.Height, Options.Width, corners);
            CollectionsMarshal.AsSpan(scene.Labels).CopyTo(MemoryMarshal.Cast<byte, long>(labels.bytes));
        }

        return new Target(boxes.MoveToOuterDisposeScope(), labels.MoveToOuterDisposeScope(), masks.MoveToOuterDisposeScope());
    }
}
