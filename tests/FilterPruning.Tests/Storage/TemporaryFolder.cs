namespace FilterPruning.Tests.Storage;

/// <summary>A folder of a test's own, removed with everything in it.</summary>
internal sealed class TemporaryFolder : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("filter-pruning-");

    public string this[string name] => Path.Combine(_folder.FullName, name);

    public IEnumerable<string> Files => _folder.EnumerateFiles().Select(file => file.Name);

    public string Write(string name, params ReadOnlySpan<byte> content)
    {
        File.WriteAllBytes(this[name], content.ToArray());
        return this[name];
    }

    public void Dispose() => _folder.Delete(recursive: true);
}
