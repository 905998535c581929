using System.Globalization;
using System.Reflection;
using System.Runtime.InteropServices;
using FilterPruning.Planning;

namespace FilterPruning.Cli.Study;

/// <summary>What a measurement was made with. Says nothing about paths, users or hosts.</summary>
internal static class Surroundings
{
    /// <summary>The library's version.</summary>
    public static string Version { get; } = (typeof(PruningPlan).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "").Split('+')[0];

    /// <summary>libtorch's version.</summary>
    public static string Torch => LibTorch.Version;

    /// <summary>Processor, number of cores, system.</summary>
    public static string Machine { get; } = string.Create(CultureInfo.InvariantCulture, $"{Processor()}, {Environment.ProcessorCount} cores, {RuntimeInformation.RuntimeIdentifier}");

    private static string Processor()
    {
        const string information = "/proc/cpuinfo";
        var line = File.Exists(information) ? File.ReadLines(information).FirstOrDefault(line => line.StartsWith("model name", StringComparison.Ordinal)) : null;
        return line?.Split(':', 2)[1].Trim() ?? RuntimeInformation.ProcessArchitecture.ToString();
    }
}
