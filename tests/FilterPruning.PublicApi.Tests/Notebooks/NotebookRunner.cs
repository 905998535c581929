using System.Text.Json.Nodes;
using Microsoft.CodeAnalysis.CSharp.Scripting;
using Microsoft.CodeAnalysis.Scripting;

namespace FilterPruning.PublicApi.Tests.Notebooks;

/// <summary>
/// Executes a notebook's C# cells one after another in one script session, as a notebook kernel does, and collects their outputs:
/// console text, <c>display(…)</c> and the value of a cell's last expression.
/// </summary>
internal sealed class NotebookRunner
{
    private readonly List<JsonObject> _outputs = [];
    private ScriptState<object>? _state;

    public async Task<IReadOnlyList<JsonObject>> RunAsync(string code)
    {
        _outputs.Clear();
        var console = Console.Out;
        using var text = new StringWriter();
        Console.SetOut(text);
        try
        {
            _state = _state is null
                ? await CSharpScript.RunAsync<object>(code, Options(), new NotebookGlobals(Show))
                : await _state.ContinueWithAsync<object>(code);
            if (_state.ReturnValue is { } value)
                Show(value);
        }
        finally
        {
            Console.SetOut(console);
        }

        if (text.GetStringBuilder().Length > 0)
            _outputs.Insert(0, new JsonObject { ["name"] = "stdout", ["output_type"] = "stream", ["text"] = text.ToString() });
        return [.. _outputs];
    }

    private static ScriptOptions Options() => ScriptOptions.Default
        .WithReferences(AppDomain.CurrentDomain.GetAssemblies().Where(assembly => !assembly.IsDynamic && assembly.Location.Length > 0))
        .AddReferences(typeof(torch).Assembly, typeof(Pruner).Assembly, typeof(Detection.Models.MaskRcnn).Assembly)
        .WithImports("System", "System.Collections.Generic", "System.IO", "System.Linq", "System.Threading", "System.Threading.Tasks");

    private void Show(object value)
    {
        var data = value is HtmlFragment html
            ? new JsonObject { ["text/html"] = html.Content }
            : new JsonObject { ["text/plain"] = value.ToString() };
        _outputs.Add(new JsonObject { ["data"] = data, ["metadata"] = new JsonObject(), ["output_type"] = "display_data" });
    }
}

/// <summary>Content that a notebook shows as a page fragment.</summary>
public sealed record HtmlFragment(string Content);

/// <summary>The functions a notebook kernel offers to C# cells.</summary>
public sealed class NotebookGlobals(Action<object> show)
{
    /// <summary>Shows a value below the cell.</summary>
    public void display(object value) => show(value);

    /// <summary>Marks text as HTML.</summary>
    [System.Diagnostics.CodeAnalysis.SuppressMessage("Performance", "CA1822", Justification = "Scripts see the members of their globals object.")]
    public HtmlFragment HTML(string content) => new(content);
}
