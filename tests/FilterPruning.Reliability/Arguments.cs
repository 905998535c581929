using System.Globalization;

namespace FilterPruning.Reliability;

/// <summary>What is asked for.</summary>
/// <param name="What">The runs.</param>
/// <param name="Rounds">Kills, calls or rounds; null for the documented number of each.</param>
/// <param name="Seed">Of all that is random.</param>
/// <param name="Only">Parts of a run; empty for all.</param>
internal sealed record Arguments(IReadOnlyList<string> What, int? Rounds, int Seed, IReadOnlyList<string> Only)
{
    private static readonly string[] All = ["kills", "leaks", "threads"];

    /// <summary>Null after a message on standard error.</summary>
    public static Arguments? Parse(string[] args)
    {
        var (what, rounds, seed, only) = (new List<string>(), (int?)null, 1, Array.Empty<string>());
        for (var i = 0; i < args.Length; i++)
        {
            var value = i + 1 < args.Length ? args[i + 1] : "";
            if (All.Contains(args[i]))
                what.Add(args[i]);
            else if (args[i] == "--rounds" && int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number > 0)
                (rounds, i) = (number, i + 1);
            else if (args[i] == "--seed" && int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out seed))
                i++;
            else if (args[i] == "--only" && value.Length > 0)
                (only, i) = (value.Split(','), i + 1);
            else
                return Usage(args[i]);
        }

        return new Arguments(what.Count > 0 ? what : All, rounds, seed, only);
    }

    private static Arguments? Usage(string argument)
    {
        Console.Error.WriteLine($"'{argument}' is not understood. usage: reliability [kills|leaks|threads] [--rounds N] [--seed S] [--only PART,PART]");
        return null;
    }
}
