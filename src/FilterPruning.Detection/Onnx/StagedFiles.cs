using FilterPruning.Storage;

namespace FilterPruning.Detection.Onnx;

/// <summary>
/// Files of one folder that appear together or not at all: written in a folder of their own beside their targets, moved at the end. A move that fails puts back what was there. Each file is at any time the old one or
/// the new one, also for whoever comes after a killed process; of several files some may then be new already.
/// </summary>
internal sealed class StagedFiles : IDisposable
{
    private readonly List<string> _targets = [];
    private readonly string _folder;
    private bool _created;

    /// <param name="path">One of the targets: it names the folder.</param>
    public StagedFiles(string path) => _folder = PartialFolders.Of(path);

    /// <summary>Where a target is until the end, under its own name.</summary>
    public string Staged(string path) => Path.Combine(_folder, Path.GetFileName(path));

    /// <exception cref="ModelFileException">The file system refused.</exception>
    public void Write(string path, Action<Stream> write)
    {
        try
        {
            if (!_created && Path.GetDirectoryName(Path.GetFullPath(path)) is { } parent && !Directory.Exists(parent))
                throw new DirectoryNotFoundException($"There is no folder '{parent}'.");
            if (!_created)
                PartialFolders.RemoveLeftovers(path);
            Directory.CreateDirectory(_folder);
            _created = true;
            using var stream = new FileStream(Staged(path), FileMode.Create, FileAccess.Write, FileShare.None, bufferSize: 1 << 16);
            write(stream);
            stream.Flush(flushToDisk: true);
            _targets.Add(path);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw Failed(path, error);
        }
    }

    /// <exception cref="ModelFileException">The file system refused; everything is as it was.</exception>
    public void Commit()
    {
        var moved = new List<string>();
        foreach (var path in _targets)
        {
            try
            {
                // A copy: were the old file moved away, a killed process would leave none.
                if (_targets.Count > 1 && File.Exists(path))
                    File.Copy(path, Former(path), overwrite: true);
                moved.Add(path);
                File.Move(Staged(path), path, overwrite: true);
            }
            catch (Exception error) when (error is IOException or UnauthorizedAccessException)
            {
                moved.ForEach(PutBack);
                throw Failed(path, error);
            }
        }
    }

    /// <summary>Removes the folder with what is left in it.</summary>
    public void Dispose()
    {
        if (_created)
            Directory.Delete(_folder, recursive: true);
    }

    private void PutBack(string path)
    {
        if (File.Exists(Staged(path)))
            return; // the one that could not be moved
        if (File.Exists(Former(path)))
            File.Move(Former(path), path, overwrite: true);
        else
            File.Delete(path);
    }

    private string Former(string path) => Staged(path) + ".former";

    private static ModelFileException Failed(string path, Exception error) => new(
        ModelFileErrorKind.WriteFailed, path, $"cannot write: {error.Message} Give a path in a folder that exists and can be written; what was there before is unchanged.", error);
}
