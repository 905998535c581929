using System.CommandLine;
using FilterPruning.Cli.Export;

namespace FilterPruning.Cli.Commands;

/// <summary><c>filter-pruning export</c>: writes a detector for a runtime other than TorchSharp.</summary>
internal static class ExportCommand
{
    public static Command Create()
    {
        IExportFormat[] formats = [new OnnxExport(), new TorchvisionExport()];
        var command = new Command("export", """
            Writes a detector, dense or pruned, for another runtime.

            Examples:
              filter-pruning export --weights pruned.safetensors --out pruned.onnx
              filter-pruning export --weights pruned.safetensors --out pruned.onnx --image photo.jpg --time 20 --against dense.onnx
              filter-pruning export --weights pruned.safetensors --format torchvision --out pruned-python
            """);
        var model = new ModelSource(command, weightsNeeded: true);
        var format = new Option<string>("--format")
        {
            Description = $"What to write: {string.Join("; ", formats.Select(one => $"{one.Name} ({one.Summary})"))}. Default {formats[0].Name}.",
            DefaultValueFactory = _ => formats[0].Name,
            HelpName = "NAME",
        };
        var output = new Option<string>("--out") { Description = "The file, or for torchvision the folder, to write or replace.", HelpName = "PATH", Required = true };
        var json = new Option<bool>("--json") { Description = "Print one JSON object." };
        command.Options.Add(format);
        command.Options.Add(output);
        foreach (var one in formats)
            one.AddOptions(command);
        command.Options.Add(json);
        command.Runs((parsed, cancellation) =>
        {
            var name = parsed.GetValue(format)!;
            var chosen = formats.FirstOrDefault(one => one.Name == name)
                ?? throw new ArgumentException($"--format is '{name}'; allowed are: {string.Join(", ", formats.Select(one => one.Name))}.");
            var (detector, description) = model.Load(parsed);
            using var owned = detector;
            using var noGrad = no_grad();
            var result = chosen.Run(new ExportJob(parsed, detector, description, model.PlanOf(parsed), parsed.GetValue(output)!, cancellation));
            if (parsed.GetValue(json))
                Output.Json(result.Json);
            else
                result.Lines.ToList().ForEach(line => Output.Line(line));
            if (result.Error is null)
                return ExitCode.Done;
            Output.Error(result.Error);
            return ExitCode.Failed;
        });
        return command;
    }
}
