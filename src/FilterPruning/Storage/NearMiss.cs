namespace FilterPruning.Storage;

/// <summary>Finds the name somebody probably meant.</summary>
internal static class NearMiss
{
    /// <summary>A distance costs the product of both lengths; names out of a file may be of any length.</summary>
    private const int MaximumLength = 256;

    /// <summary>The candidate with the smallest edit distance, or null where none is within a third of the name's length. Ties go to the first.</summary>
    public static string? Find(string name, IEnumerable<string> candidates)
    {
        string? best = null;
        if (name.Length > MaximumLength)
            return null;
        var limit = Math.Max(2, name.Length / 3) + 1;
        foreach (var candidate in candidates)
        {
            if (Math.Abs(candidate.Length - name.Length) >= limit)
                continue;
            var distance = Distance(name, candidate, limit);
            if (distance < limit)
                (best, limit) = (candidate, distance);
        }

        return best;
    }

    /// <summary>A sentence that begins with a space, or nothing.</summary>
    public static string Hint(string name, IEnumerable<string> candidates) => Find(name, candidates) is { } found ? $" Did you mean \"{found}\"?" : "";

    // Levenshtein's distance, row by row; stops once a whole row has reached the limit.
    private static int Distance(string a, string b, int limit)
    {
        var row = new int[b.Length + 1];
        for (var j = 0; j <= b.Length; j++)
            row[j] = j;
        for (var i = 1; i <= a.Length; i++)
        {
            var diagonal = row[0];
            var smallest = row[0] = i;
            for (var j = 1; j <= b.Length; j++)
            {
                var above = row[j];
                row[j] = Math.Min(Math.Min(above, row[j - 1]) + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1));
                diagonal = above;
                smallest = Math.Min(smallest, row[j]);
            }

            if (smallest >= limit)
                return limit;
        }

        return row[b.Length];
    }
}
