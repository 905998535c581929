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
        var canvas = SceneCanvas.OfThisThread(Options.Width, Options.Height);
        var items = SceneRenderer.Render(SplitMix64.ForItem(Seed, index), Options, canvas);
        var image = empty([3, Options.Height, Options.Width], float32);
        canvas.Pixels.CopyTo(MemoryMarshal.Cast<byte, float>(image.bytes));
        return new DetectionSample(index, image.MoveToOuterDisposeScope(), ToTarget(items, canvas.Owner));
    }

    private Target ToTarget(List<SceneItem> items, byte[] owner)
    {
        var objects = Enumerable.Range(0, items.Count).Where(index => items[index].Label != 0).ToArray();
        var masks = zeros([objects.Length, Options.Height, Options.Width], uint8);
        var boxes = zeros([objects.Length, 4], float32);
        var labels = tensor(Array.ConvertAll(objects, index => (long)items[index].Label), int64);
        if (objects.Length > 0)
        {
            for (var i = 0; i < objects.Length; i++)
                WriteMask(owner, (byte)(objects[i] + 1), masks.bytes.Slice(i * owner.Length, owner.Length));
            MaskBoxes.Write(masks.bytes, objects.Length, Options.Height, Options.Width, MemoryMarshal.Cast<byte, float>(boxes.bytes));
        }

        return new Target(boxes.MoveToOuterDisposeScope(), labels.MoveToOuterDisposeScope(), masks.MoveToOuterDisposeScope());
    }

    private static void WriteMask(ReadOnlySpan<byte> owner, byte mark, Span<byte> mask)
    {
        for (var i = 0; i < owner.Length; i++)
            mask[i] = owner[i] == mark ? (byte)1 : (byte)0;
    }
}
