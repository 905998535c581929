namespace FilterPruning.Criteria;

/// <summary>Splits a matrix of filters into blocks of rows, so that temporary copies in double precision stay small.</summary>
internal static class RowBlocks
{
    private const long Numbers = 1 << 22;  // 32 MB in double precision

    public static IEnumerable<(long Start, long Count)> Of(Tensor matrix) => Of(matrix.shape[0], matrix.shape[1]);

    public static IEnumerable<(long Start, long Count)> Of(long rows, long columns)
    {
        var step = Math.Max(1, Numbers / Math.Max(1, columns));
        for (long start = 0; start < rows; start += step)
            yield return (start, Math.Min(step, rows - start));
    }
}
