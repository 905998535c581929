namespace FilterPruning.Storage;

/// <summary>Turns what the file system throws on reading into <see cref="ModelFileException"/>.</summary>
internal static class FileAccessErrors
{
    public static T Translate<T>(string path, Func<T> read)
    {
        try
        {
            return read();
        }
        catch (Exception error) when (error is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new ModelFileException(ModelFileErrorKind.NotFound, path, "there is no such file.", error);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new ModelFileException(ModelFileErrorKind.ReadFailed, path, $"cannot read: {error.Message}", error);
        }
    }
}
