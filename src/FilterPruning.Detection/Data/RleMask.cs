using System.Collections.ObjectModel;

namespace FilterPruning.Detection.Data;

/// <summary>
/// A binary mask in COCO's run-length encoding: column-major runs, the first of zeros.
/// Immutable, holds no tensor, safe to use from several threads. Two masks are equal when their sizes and runs are.
/// Source of the format: the COCO API, <c>common/maskApi.h</c>.
/// </summary>
public sealed partial class RleMask : IEquatable<RleMask>
{
    /// <summary>The largest height or width of a mask, in pixels.</summary>
    public const int MaximumSide = 65_536;

    /// <summary>The largest number of pixels of a mask.</summary>
    public const int MaximumPixels = 1 << 30;

    private readonly uint[] _counts;
    private ReadOnlyCollection<uint>? _countsView;

    /// <summary>Creates a mask from its runs, which must sum to height × width. The runs are copied.</summary>
    /// <param name="height">Height in pixels, 1 … <see cref="MaximumSide"/>.</param>
    /// <param name="width">Width in pixels, 1 … <see cref="MaximumSide"/>; height × width is at most <see cref="MaximumPixels"/>.</param>
    /// <param name="counts">Run lengths, alternately of zeros and of ones, beginning with zeros. Runs of length 0 are allowed and kept.</param>
    /// <exception cref="ArgumentException">A size is out of range, or the runs do not sum to height × width.</exception>
    public RleMask(int height, int width, IReadOnlyList<uint> counts)
        : this(height, width, Checked(height, width, counts), owned: true)
    {
    }

    private RleMask(int height, int width, uint[] counts, bool owned)
    {
        _ = owned; // tells this constructor, which trusts its runs and keeps them, from the public one
        Height = height;
        Width = width;
        _counts = counts;
        long area = 0;
        for (var i = 1; i < counts.Length; i += 2)
            area += counts[i];
        Area = area;
    }

    /// <summary>Height in pixels.</summary>
    public int Height { get; }

    /// <summary>Width in pixels.</summary>
    public int Width { get; }

    /// <summary>Run lengths, alternately of zeros and of ones, beginning with zeros (which may be 0).</summary>
    public IReadOnlyList<uint> Counts => _countsView ??= Array.AsReadOnly(_counts);

    /// <summary>The number of pixels inside the mask.</summary>
    public long Area { get; }

    /// <summary>Whether no pixel is inside the mask.</summary>
    public bool IsEmpty => Area == 0;

    /// <summary>
    /// The smallest box that holds every pixel of the mask: x and y of its upper left corner, width and height, in whole pixels.
    /// All four are 0 for an empty mask. Equal to <c>toBbox</c> of the COCO API.
    /// </summary>
    public (int X, int Y, int Width, int Height) BoundingBox()
    {
        int left = Width, top = Height, right = -1, bottom = -1;
        long start = 0;
        for (var i = 0; i < _counts.Length; start += _counts[i++])
        {
            if ((i & 1) == 0 || _counts[i] == 0)
                continue;
            var (firstColumn, firstRow) = Math.DivRem(start, Height);
            var (lastColumn, lastRow) = Math.DivRem(start + _counts[i] - 1, Height);
            if (lastColumn > firstColumn)
                (firstRow, lastRow) = (0, Height - 1); // the run goes on over a column's end, so it touches the lowest and the highest row
            left = (int)Math.Min(left, firstColumn);
            right = (int)Math.Max(right, lastColumn);
            top = (int)Math.Min(top, firstRow);
            bottom = (int)Math.Max(bottom, lastRow);
        }

        return right < 0 ? (0, 0, 0, 0) : (left, top, right - left + 1, bottom - top + 1);
    }

    /// <summary>A mask of the given size with no pixel inside.</summary>
    /// <exception cref="ArgumentException">A size is out of range.</exception>
    public static RleMask Empty(int height, int width)
    {
        CheckSize(height, width);
        return new RleMask(height, width, [(uint)(height * width)], owned: true);
    }

    /// <inheritdoc/>
    public bool Equals(RleMask? other) =>
        other is not null && Height == other.Height && Width == other.Width && _counts.AsSpan().SequenceEqual(other._counts);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as RleMask);

    /// <inheritdoc/>
    public override int GetHashCode()
    {
        var hash = new HashCode();
        hash.Add(Height);
        hash.Add(Width);
        foreach (var count in _counts)
            hash.Add(count);
        return hash.ToHashCode();
    }

    /// <summary>The size, the area and the number of runs, for people.</summary>
    public override string ToString() => $"RleMask {Height}×{Width}, area {Area}, {_counts.Length} runs";

    internal static void CheckSize(int height, int width)
    {
        if (height is < 1 or > MaximumSide)
            throw new ArgumentOutOfRangeException(nameof(height), height, $"A mask's height must be 1 … {MaximumSide} pixels.");
        if (width is < 1 or > MaximumSide)
            throw new ArgumentOutOfRangeException(nameof(width), width, $"A mask's width must be 1 … {MaximumSide} pixels.");
        if ((long)height * width > MaximumPixels)
            throw new ArgumentException($"A mask of {height} × {width} has {(long)height * width} pixels; at most {MaximumPixels} are allowed.", nameof(height));
    }

    private static uint[] Checked(int height, int width, IReadOnlyList<uint> counts)
    {
        CheckSize(height, width);
        ArgumentNullException.ThrowIfNull(counts);
        var copy = counts.ToArray();
        CheckSum(height, width, copy, nameof(counts));
        return copy;
    }

    private static void CheckSum(int height, int width, ReadOnlySpan<uint> counts, string parameter)
    {
        long sum = 0;
        foreach (var count in counts)
            sum += count;
        if (sum != (long)height * width)
        {
            throw new ArgumentException(
                $"The runs of a {height} × {width} mask must sum to {(long)height * width} pixels, but these {counts.Length} sum to {sum}. Check that the size is given as height, width.", parameter);
        }
    }

    private void CheckSameSize(RleMask other, string parameter)
    {
        ArgumentNullException.ThrowIfNull(other, parameter);
        if (Height != other.Height || Width != other.Width)
            throw new ArgumentException($"Masks of the same size are needed, but one is {Height} × {Width} and the other {other.Height} × {other.Width} (height × width).", parameter);
    }
}
