using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace FilterPruning.PublicApi.Tests.Notebooks;

/// <summary>A Jupyter notebook (nbformat 4) on disk.</summary>
internal sealed class Notebook
{
    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true, IndentSize = 1, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private readonly string _path;
    private readonly JsonObject _root;

    private Notebook(string path, JsonObject root)
    {
        _path = path;
        _root = root;
    }

    public static Notebook Open(string path) => new(path, JsonNode.Parse(File.ReadAllText(path))!.AsObject());

    public IEnumerable<NotebookCell> CodeCells =>
        _root["cells"]!.AsArray().Select(cell => cell!.AsObject()).Where(cell => (string?)cell["cell_type"] == "code").Select(cell => new NotebookCell(cell));

    public void Save() => File.WriteAllText(_path, _root.ToJsonString(Indented) + "\n");
}

/// <summary>One code cell.</summary>
internal sealed class NotebookCell(JsonObject json)
{
    /// <summary>The cell's code without directives (<c>#r "nuget: …"</c>), which the runner's own references replace.</summary>
    public string Code => string.Join('\n', Source.Split('\n').Where(line => !line.StartsWith("#r ", StringComparison.Ordinal) && !line.StartsWith("#!", StringComparison.Ordinal)));

    private string Source => json["source"] is JsonArray lines ? string.Concat(lines.Select(line => (string)line!)) : (string)json["source"]!;

    /// <summary>The MIME types of the stored outputs, in order.</summary>
    public IReadOnlyList<string> StoredMimeTypes => Kinds(json["outputs"]!.AsArray());

    public void Store(int executionCount, IReadOnlyList<JsonObject> outputs)
    {
        json["execution_count"] = executionCount;
        json["outputs"] = new JsonArray([.. outputs]);
    }

    public static IReadOnlyList<string> Kinds(IEnumerable<JsonNode?> outputs) =>
        [.. outputs.Select(output => (string?)output!["output_type"] == "stream" ? "stream" : output["data"]!.AsObject().First().Key)];
}
