using FilterPruning.Zoo;

[assembly: AssemblyFixture(typeof(ZooReport))]

namespace FilterPruning.Zoo;

/// <summary>
/// Gathers what the checks measured and, when the tests are over, writes the table to the file that the environment variable <see cref="FileSwitch"/> names.
/// Nothing is written unless every chosen model was checked.
/// </summary>
public sealed class ZooReport : IDisposable
{
    /// <summary>The environment variable that names the file to write.</summary>
    public const string FileSwitch = "FILTERPRUNING_ZOO_TABLE";

    private readonly SortedDictionary<string, ZooRow> _rows = new(StringComparer.Ordinal);
    private readonly SortedDictionary<string, string> _failures = new(StringComparer.Ordinal);

    /// <summary>Keeps a model's measurements.</summary>
    public void Add(ZooRow row) => _rows[row.Model.Name] = row;

    /// <summary>Keeps what does not hold for a model.</summary>
    public void Add(string name, ZooFailureException failure) => _failures[name] = failure.Message;

    /// <summary>Writes the table, beside the file first.</summary>
    public void Dispose()
    {
        if (Environment.GetEnvironmentVariable(FileSwitch) is not { Length: > 0 } path) return;
        if (_rows.Count + _failures.Count != ZooCatalogue.Names.Count)
        {
            Console.Error.WriteLine($"{path} is left alone: {_rows.Count + _failures.Count} of {ZooCatalogue.Names.Count} models were checked.");
            return;
        }

        File.WriteAllText($"{path}.new", ZooTable.Of([.. _rows.Values], _failures));
        File.Move($"{path}.new", path, overwrite: true);
    }
}
