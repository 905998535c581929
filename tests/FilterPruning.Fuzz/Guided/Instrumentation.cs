using SharpFuzz;

namespace FilterPruning.Fuzz.Guided;

/// <summary>Instruments this project's assemblies in the program's own folder. The process that does it must not have loaded them.</summary>
internal static class Instrumentation
{
    private static readonly string[] Assemblies = ["FilterPruning.dll", "FilterPruning.Detection.dll", "filter-pruning.dll"];

    /// <summary>Instruments what is not instrumented yet.</summary>
    public static void Run(string folder)
    {
        foreach (var name in Assemblies)
        {
            var path = Path.Combine(folder, name);

            // The file may share its disk blocks with the library's own build output (a hard link): write beside it, then rename.
            var copy = path + ".instrumented";
            File.Copy(path, copy, overwrite: true);
            try
            {
                var types = Fuzzer.Instrument(copy, type => !type.StartsWith("System.Text.RegularExpressions", StringComparison.Ordinal), Options.Value);
                File.Move(copy, path, overwrite: true);
                Console.Error.WriteLine($"{name}: {types.Count()} types instrumented.");
            }
            catch (InstrumentationException error)
            {
                File.Delete(copy);
                Console.Error.WriteLine($"{name}: {error.Message}");
            }
        }
    }
}
