using System.Text.Json.Nodes;

namespace FilterPruning.PublicApi.Tests.Notebooks;

public class NotebookTests
{
    private const string UpdateSwitch = "FILTERPRUNING_UPDATE_NOTEBOOKS";

    public static TheoryData<string> Notebooks =>
        [.. Directory.GetFiles(Repository.PathOf("samples", "notebooks"), "*.ipynb").Select(path => Path.GetFileName(path)!).Order(StringComparer.Ordinal)];

    [Theory]
    [MemberData(nameof(Notebooks))]
    public async Task Every_cell_runs_and_shows_what_is_stored(string name)
    {
        var notebook = Notebook.Open(Repository.PathOf("samples", "notebooks", name));
        var runner = new NotebookRunner();
        var update = Environment.GetEnvironmentVariable(UpdateSwitch) == "1";
        var folder = Environment.CurrentDirectory;
        Environment.CurrentDirectory = Repository.PathOf("samples", "notebooks");
        try
        {
            var count = 0;
            foreach (var cell in notebook.CodeCells)
            {
                IReadOnlyList<JsonObject> outputs = await runner.RunAsync(cell.Code);
                if (update)
                    cell.Store(++count, outputs);
                else
                    Assert.Equal(cell.StoredMimeTypes, NotebookCell.Kinds(outputs));
            }
        }
        finally
        {
            Environment.CurrentDirectory = folder;
        }

        if (update)
            notebook.Save();
    }
}
