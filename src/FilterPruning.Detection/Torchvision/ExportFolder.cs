using System.Globalization;
using FilterPruning.Detection.Onnx;
using FilterPruning.Storage;

namespace FilterPruning.Detection.Torchvision;

/// <summary>Writes a folder of files beside its target and renames it when it is complete. A process that is killed between the two renames of a replacement leaves the old folder as <c>TARGET.PROCESS.old</c>.</summary>
internal static class ExportFolder
{
    /// <param name="folder">The folder to make or replace.</param>
    /// <param name="files">The names of its files; a folder with others is left alone.</param>
    /// <param name="write">Writes the files into the folder it is given.</param>
    /// <exception cref="ArgumentException">The folder holds something else, is a file, or its parent does not exist.</exception>
    /// <exception cref="ModelFileException">The file system refused; what was there is unchanged.</exception>
    public static void Write(string folder, IReadOnlyCollection<string> files, Action<string> write)
    {
        var target = Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder));
        Check(folder, target, files);
        var (partial, old) = (PartialFolders.Of(target), string.Create(CultureInfo.InvariantCulture, $"{target}.{Environment.ProcessId}.old"));
        PartialFolders.RemoveLeftovers(target);
        try
        {
            Directory.CreateDirectory(partial);
            write(partial);
            if (!Directory.Exists(target))
            {
                Directory.Move(partial, target);
                return;
            }

            Directory.Move(target, old);
            try
            {
                Directory.Move(partial, target);
            }
            catch
            {
                Directory.Move(old, target);
                throw;
            }

            Directory.Delete(old, recursive: true);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new ModelFileException(ModelFileErrorKind.WriteFailed, folder, $"cannot write: {error.Message} Give a folder whose parent can be written; what was there before is unchanged.", error);
        }
        finally
        {
            if (Directory.Exists(partial))
                Directory.Delete(partial, recursive: true);
        }
    }

    private static void Check(string folder, string target, IReadOnlyCollection<string> files)
    {
        if (File.Exists(target))
            throw new ArgumentException($"'{folder}' is a file; the export is a folder. Give another name.", nameof(folder));
        if (Path.GetDirectoryName(target) is not { } parent || !Directory.Exists(parent))
            throw new ArgumentException($"The folder that '{folder}' would be in does not exist. Create it first.", nameof(folder));
        if (!Directory.Exists(target))
            return;
        var others = Directory.EnumerateFileSystemEntries(target).Select(path => Path.GetFileName(path)!).Where(name => !files.Contains(name) && name != "__pycache__").Order(StringComparer.Ordinal).ToList();
        if (others.Count > 0)
            throw new ArgumentException($"The folder '{folder}' holds '{others[0]}', which is no part of an export and would be lost. Give a new or empty folder.", nameof(folder));
    }
}
