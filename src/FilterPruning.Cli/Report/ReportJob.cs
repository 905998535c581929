using FilterPruning.Storage;

namespace FilterPruning.Cli.Report;

/// <summary>From results files to the files that are made of them.</summary>
internal sealed class ReportJob(IReadOnlyList<string> files, string? folder, string? document)
{
    public ResultSet Results { get; } = ResultSet.Read(files);

    /// <summary>Files as given, and the results files of folders as given, in the order of their names.</summary>
    /// <exception cref="ArgumentException">A path names nothing, or a folder without results files.</exception>
    public static IReadOnlyList<string> Files(IEnumerable<string> paths)
    {
        var files = new List<string>();
        foreach (var path in paths)
        {
            if (!Directory.Exists(path))
            {
                files.Add(path);
                continue;
            }

            var found = Directory.GetFiles(path, "*.jsonl").Order(StringComparer.Ordinal).ToArray();
            files.AddRange(found.Length > 0 ? found : throw new ArgumentException($"The folder '{path}' holds no *.jsonl file."));
        }

        return files;
    }

    /// <summary>Writes everything, all text before the first file. Returns the paths.</summary>
    public IReadOnlyList<string> Write()
    {
        var texts = Texts();
        var written = new List<string>();
        foreach (var (path, text) in texts)
        {
            MakeFolderOf(path);
            AtomicFile.WriteText(path, text);
            written.Add(path);
        }

        if (folder is null)
            return written;
        foreach (var (name, png) in StudyCurves.Draw(Results))
        {
            var path = Path.Combine(folder, name);
            MakeFolderOf(path);
            AtomicFile.WriteBytes(path, png);
            written.Add(path);
        }

        return written;
    }

    /// <summary>The text files that differ from what the results say. Curves are not compared: they depend on the fonts of the machine.</summary>
    public IReadOnlyList<string> OutOfDate() => [.. Texts().Where(file => !File.Exists(file.Path) || File.ReadAllText(file.Path) != file.Text).Select(file => file.Path)];

    private List<(string Path, string Text)> Texts()
    {
        var texts = new List<(string, string)>();
        if (document is not null)
        {
            if (!File.Exists(document))
                throw new ArgumentException($"There is no document '{document}'.");
            texts.Add((document, Filled(document)));
        }

        if (folder is not null)
        {
            foreach (var dataset in Results.Points.Select(point => point.Key.Dataset).Distinct().Order(StringComparer.Ordinal))
                texts.Add((Path.Combine(folder, $"{dataset}.md"), StudyTables.Document(dataset, Results)));
        }

        return texts;
    }

    private string Filled(string path)
    {
        try
        {
            return MarkedDocument.Fill(File.ReadAllText(path), request => StudyTables.Build(TableRequest.Parse(request), Results));
        }
        catch (ArgumentException error)
        {
            throw new ArgumentException($"'{path}': {error.Message}", error);
        }
    }

    private static void MakeFolderOf(string path)
    {
        if (Path.GetDirectoryName(path) is { Length: > 0 } parent)
            OutputFile.MakeFolder(parent);
    }
}
