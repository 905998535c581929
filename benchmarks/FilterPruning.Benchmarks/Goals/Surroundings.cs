using System.Reflection;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Text.RegularExpressions;

namespace FilterPruning.Benchmarks.Goals;

/// <summary>What a number depends on besides the code: machine, threads, versions, each as one line.</summary>
internal static partial class Surroundings
{
    /// <summary>For instance <c>AMD EPYC (family 25, model 17), cores 0-1, 32 MiB last-level cache, 512-bit vectors, Linux X64</c>.</summary>
    public static string Machine =>
        $"{Processor()}, cores {Cores.Allowed()}, {LastLevelCacheBytes >> 20} MiB last-level cache, {VectorBits()}-bit vectors, {(OperatingSystem.IsLinux() ? "Linux" : RuntimeInformation.OSDescription)} {RuntimeInformation.OSArchitecture}";

    /// <summary>What libtorch would use, and what the environment asked of OpenMP. Suites that set threads themselves say so in their notes.</summary>
    public static string Threads => $"libtorch {get_num_threads()}, OMP_WAIT_POLICY {Environment.GetEnvironmentVariable("OMP_WAIT_POLICY") ?? "unset"}";

    /// <summary>The runtime and the packages that do the work.</summary>
    public static string Versions { get; } = string.Join(", ", new[] { $"{RuntimeInformation.FrameworkDescription}" }.Concat(Packages()));

    /// <summary>The size of the cache that a tensor has to exceed before memory is measured: Linux's word, else 32 MiB.</summary>
    public static long LastLevelCacheBytes { get; } = LastLevelCache();

    private static int VectorBits() => Vector512.IsHardwareAccelerated ? 512 : Vector256.IsHardwareAccelerated ? 256 : 128;

    private static IEnumerable<string> Packages()
    {
        foreach (var name in new[] { "TorchSharp", "MathNet.Numerics", "BenchmarkDotNet", "Microsoft.ML.OnnxRuntime" })
        {
            Assembly assembly;
            try
            {
                assembly = Assembly.Load(name);
            }
            catch (FileNotFoundException)
            {
                continue;  // a package that this build does not have
            }

            var version = assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? assembly.GetName().Version?.ToString();
            yield return $"{name} {version?.Split('+')[0]}";
        }
    }

    private static string Processor()
    {
        if (!File.Exists("/proc/cpuinfo"))
            return RuntimeInformation.ProcessArchitecture.ToString();
        var text = File.ReadAllText("/proc/cpuinfo");
        string Field(string name) => Regex.Match(text, $@"^{name}\s*:\s*(.*)$", RegexOptions.Multiline).Groups[1].Value.Trim();
        return $"{Field("model name")} (family {Field("cpu family")}, model {Field("model")})";
    }

    private static long LastLevelCache()
    {
        const string Folder = "/sys/devices/system/cpu/cpu0/cache";
        if (!Directory.Exists(Folder))
            return 32 << 20;
        return Directory.GetDirectories(Folder, "index*").Select(index => Path.Combine(index, "size")).Where(File.Exists)
            .Select(file => Bytes(File.ReadAllText(file).Trim())).DefaultIfEmpty(32 << 20).Max();
    }

    private static long Bytes(string size) => Size().Match(size) is { Success: true } match
        ? long.Parse(match.Groups[1].Value, System.Globalization.CultureInfo.InvariantCulture) << (match.Groups[2].Value switch { "K" => 10, "M" => 20, _ => 0 })
        : 32 << 20;

    [GeneratedRegex("^([0-9]+)([KM]?)$")]
    private static partial Regex Size();
}
