using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Runtime.Loader;

namespace FilterPruning.Cli;

/// <summary>
/// Finds libtorch. The tool's package leaves it out, because it is half a gigabyte: it lies beside the tool (a build from source), in
/// the folder that FILTERPRUNING_LIBTORCH names, or in the NuGet package cache, where <c>filter-pruning setup</c> puts it.
/// </summary>
internal static class LibTorch
{
    /// <summary>The libtorch that the referenced TorchSharp was built for.</summary>
    public const string Version = "2.10.0";

    public const string FolderVariable = "FILTERPRUNING_LIBTORCH";

    private static readonly string[] LoadOrder = ["c10", "torch_cpu", "torch"];

    /// <summary>The NuGet package that holds libtorch for this system, in lower case as the package cache spells it.</summary>
    public static string PackageName => $"libtorch-cpu-{RuntimeId}";

    private static string RuntimeId =>
        OperatingSystem.IsWindows() ? "win-x64" : OperatingSystem.IsMacOS() ? "osx-arm64" : "linux-x64";

    /// <summary>Loads libtorch from wherever it is; false when it is nowhere.</summary>
    public static bool TryLoad()
    {
        if (LiesBesideTheTool())
            return true;

        var folder = Candidates().FirstOrDefault(candidate => File.Exists(Path.Combine(candidate, FileName("torch_cpu"))));
        if (folder is null)
            return false;

        foreach (var library in LoadOrder)
            NativeLibrary.TryLoad(Path.Combine(folder, FileName(library)), out _);
        AssemblyLoadContext.Default.ResolvingUnmanagedDll += (_, name) =>
            NativeLibrary.TryLoad(Path.Combine(folder, FileName(name)), out var handle) ? handle : IntPtr.Zero;
        return true;
    }

    /// <summary>What to do when libtorch is nowhere, in words for standard error.</summary>
    public static string HowToGetIt() =>
        $"libtorch {Version} was not found. Run 'filter-pruning setup' once: it fetches the NuGet package {PackageName} into the package cache. "
        + $"Or set {FolderVariable} to a folder that holds {FileName("torch_cpu")}.";

    /// <summary>Fetches libtorch's NuGet package with the .NET SDK's own restore, so that the user's feeds and proxies apply.</summary>
    public static int Fetch(TextWriter log)
    {
        var folder = Directory.CreateTempSubdirectory("filter-pruning-");
        try
        {
            var project = Path.Combine(folder.FullName, "libtorch.csproj");
            File.WriteAllText(project, $"""
                <Project Sdk="Microsoft.NET.Sdk">
                  <PropertyGroup><TargetFramework>net{Environment.Version.Major}.0</TargetFramework></PropertyGroup>
                  <ItemGroup><PackageReference Include="{PackageName}" Version="{Version}" /></ItemGroup>
                </Project>
                """);
            log.WriteLine($"Fetching {PackageName} {Version} (about 200 MB) ...");
            using var restore = Process.Start(new ProcessStartInfo("dotnet", ["restore", project, "--nologo"]) { RedirectStandardOutput = true })
                ?? throw new InvalidOperationException("'dotnet' could not be started; is the .NET SDK on the PATH?");
            log.Write(restore.StandardOutput.ReadToEnd());
            restore.WaitForExit();
            return restore.ExitCode;
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static bool LiesBesideTheTool() =>
        File.Exists(Path.Combine(AppContext.BaseDirectory, FileName("torch_cpu")))
        || File.Exists(Path.Combine(AppContext.BaseDirectory, "runtimes", RuntimeId, "native", FileName("torch_cpu")));

    private static IEnumerable<string> Candidates()
    {
        if (Environment.GetEnvironmentVariable(FolderVariable) is { Length: > 0 } named)
            yield return named;
        var cache = Environment.GetEnvironmentVariable("NUGET_PACKAGES")
            ?? Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".nuget", "packages");
        yield return Path.Combine(cache, PackageName, Version, "runtimes", RuntimeId, "native");
    }

    private static string FileName(string library) =>
        OperatingSystem.IsWindows() ? $"{library}.dll" : OperatingSystem.IsMacOS() ? $"lib{library}.dylib" : $"lib{library}.so";
}
