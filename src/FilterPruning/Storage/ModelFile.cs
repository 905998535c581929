namespace FilterPruning.Storage;

/// <summary>Opens model files of any kind this library reads.</summary>
public static class ModelFile
{
    /// <summary>Opens a safetensors or <c>.pth</c> file, told apart by content: a zip archive is a <c>.pth</c>, whatever its name. Neither runs code.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="ModelFileException">The file cannot be read, is damaged, or is of another format.</exception>
    public static ITensorSource Open(string path) => Open(path, new ModelFileLimits());

    /// <summary>Opens a file with other limits than the usual ones.</summary>
    /// <param name="path">The file.</param>
    /// <param name="limits">What is taken at most.</param>
    /// <exception cref="ModelFileException">As for <see cref="Open(string)"/>.</exception>
    public static ITensorSource Open(string path, ModelFileLimits limits)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ArgumentNullException.ThrowIfNull(limits);
        Span<byte> start = stackalloc byte[9];
        start = start[..ReadStart(path, start)];
        if (start.StartsWith("PK\u0003\u0004"u8))
            return PthFile.Open(path, limits.Pth);
        if (start.StartsWith<byte>([0x80, 0x02, 0x8a, 0x0a])) // torch.save before 1.6: protocol 2, then its magic number of ten bytes
        {
            throw new ModelFileException(
                ModelFileErrorKind.LegacyFormat, path, "this is the format of torch.save before PyTorch 1.6. Load it with PyTorch and save its state_dict() again, best as safetensors.");
        }

        if ((start.Length == 9 && start[8] == (byte)'{') || path.EndsWith(".safetensors", StringComparison.OrdinalIgnoreCase))
            return SafetensorsFile.Open(path, limits.Safetensors);
        throw new ModelFileException(ModelFileErrorKind.UnknownFormat, path, "this is neither a safetensors file nor a zip archive by torch.save.");
    }

    private static int ReadStart(string path, Span<byte> start)
    {
        var buffer = new byte[start.Length];
        var read = FileAccessErrors.Translate(path, () =>
        {
            using var file = ByteSource.OpenFile(path);
            var count = (int)Math.Min(file.Length, buffer.Length);
            file.ReadExactly(buffer.AsSpan(0, count), 0);
            return count;
        });
        buffer.AsSpan(0, read).CopyTo(start);
        return read;
    }
}
