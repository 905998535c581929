using System.Buffers.Binary;

namespace FilterPruning.Storage;

/// <summary>
/// A safetensors file, open for reading. The header is read and checked when the file is opened; a tensor's numbers are read, straight into its memory,
/// when it is asked for. Nothing is allocated on the word of the header: every size was checked against the length of the file first.
/// Element types: F16, BF16, F32, F64, I8, U8, I16, I32, I64, BOOL, mixed in one file. Reading from several threads is allowed.
/// Format: https://huggingface.co/docs/safetensors/index#format.
/// </summary>
public sealed class SafetensorsFile : ITensorSource
{
    private readonly ByteSource _source;
    private readonly long _dataStart;
    private readonly SafetensorsHeader _header;

    private SafetensorsFile(string path, ByteSource source, long dataStart, SafetensorsHeader header)
    {
        Description = path;
        _source = source;
        _dataStart = dataStart;
        _header = header;
        Names = [.. header.Entries.Keys];
    }

    /// <inheritdoc/>
    public string Description { get; }

    /// <inheritdoc/>
    public IReadOnlyList<string> Names { get; }

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, string> Metadata => _header.Metadata;

    /// <summary>The tensors in the order of the header: element type, shape and place of each.</summary>
    public IReadOnlyDictionary<string, SafetensorsEntry> Entries => _header.Entries;

    /// <summary>Opens a file and checks its header. Dispose the result to close the file; tensors that were read stay valid.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="ModelFileException">The file cannot be read or is not a valid safetensors file; <see cref="ModelFileException.Kind"/> tells which rule it breaks.</exception>
    public static SafetensorsFile Open(string path) => Open(path, new SafetensorsLimits());

    /// <summary>Opens a file with other limits than the usual ones.</summary>
    /// <param name="path">The file.</param>
    /// <param name="limits">What is taken at most of its header.</param>
    /// <exception cref="ModelFileException">As for <see cref="Open(string)"/>.</exception>
    public static SafetensorsFile Open(string path, SafetensorsLimits limits)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ArgumentNullException.ThrowIfNull(limits);
        return Open(path, FileAccessErrors.Translate(path, () => ByteSource.OpenFile(path)), limits);
    }

    /// <summary>Opens bytes. The result owns the source; on an error it is disposed.</summary>
    internal static SafetensorsFile Open(string path, ByteSource source, SafetensorsLimits limits)
    {
        try
        {
            return FileAccessErrors.Translate(path, () =>
            {
                var header = ReadHeader(source, path, limits, out var dataStart);
                return new SafetensorsFile(path, source, dataStart, header);
            });
        }
        catch
        {
            source.Dispose();
            throw;
        }
    }

    /// <summary>Writes tensors to a file: beside it first, then renamed, so that a failure leaves what was there. The same tensors in the same order give the same bytes.</summary>
    /// <param name="path">The file to write or replace.</param>
    /// <param name="tensors">Names and tensors, on any device and with any strides. The header keeps their order; the data are laid out by falling element size, so that each is aligned.</param>
    /// <param name="metadata">Strings to store beside them, written in ordinal order of their keys.</param>
    /// <exception cref="ArgumentException">A name occurs twice or is <c>__metadata__</c>, or a tensor is of a type that the format has not. Every violation is listed.</exception>
    /// <exception cref="ModelFileException">The file system refused (<see cref="ModelFileErrorKind.WriteFailed"/>).</exception>
    public static void Write(string path, IEnumerable<KeyValuePair<string, Tensor>> tensors, IReadOnlyDictionary<string, string>? metadata = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ArgumentNullException.ThrowIfNull(tensors);
        SafetensorsWriter.Write(path, [.. tensors], metadata);
    }

    /// <inheritdoc/>
    public TensorInfo Describe(string name)
    {
        var entry = Find(name);
        return new TensorInfo(entry.DType, entry.Shape);
    }

    /// <inheritdoc/>
    public Tensor Read(string name)
    {
        var entry = Find(name);
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();

        // Bytes other than 0 and 1 in a bool tensor are undefined behaviour in libtorch.
        var stored = entry.DType == ScalarType.Bool ? ScalarType.Byte : entry.DType;
        var tensor = empty([.. entry.Shape], stored, CPU);
        FileAccessErrors.Translate(Description, () =>
        {
            TensorMemory.ReadFrom(_source, _dataStart + entry.Begin, tensor);
            return true;
        });
        if (entry.DType == ScalarType.Bool)
            tensor = tensor.ne(0);
        return tensor.MoveToOuterDisposeScope();
    }

    /// <summary>Reads every tensor, in the order of the header. The caller owns the results.</summary>
    /// <exception cref="ModelFileException">The file cannot be read.</exception>
    public IReadOnlyDictionary<string, Tensor> ReadAll()
    {
        using var scope = NewDisposeScope();
        var all = new OrderedDictionary<string, Tensor>(StringComparer.Ordinal);
        foreach (var name in Names)
            all.Add(name, Read(name));
        foreach (var tensor in all.Values)
            tensor.MoveToOuterDisposeScope();
        return all;
    }

    /// <summary>Closes the file.</summary>
    public void Dispose() => _source.Dispose();

    private static SafetensorsHeader ReadHeader(ByteSource source, string path, SafetensorsLimits limits, out long dataStart)
    {
        var fileLength = source.Length;
        Span<byte> prefix = stackalloc byte[8];
        if (fileLength < prefix.Length)
            throw new ModelFileException(ModelFileErrorKind.FileTooShort, path, $"the file has {fileLength} bytes; a safetensors file has at least 8, the length of its header.");
        source.ReadExactly(prefix, 0);

        var length = BinaryPrimitives.ReadUInt64LittleEndian(prefix);
        var limit = (ulong)Math.Clamp(limits.HeaderBytes, 0, SafetensorsHeader.MaximumLength);
        if (length > limit)
        {
            throw new ModelFileException(
                ModelFileErrorKind.HeaderTooLarge, path, $"the header claims {length} bytes; the limit is {limit}. This is not a safetensors file, or it is damaged.");
        }

        if ((long)length > fileLength - prefix.Length)
        {
            throw new ModelFileException(
                ModelFileErrorKind.HeaderBeyondFile, path, $"the header claims {length} bytes, but only {fileLength - prefix.Length} follow. The file is cut short; copy or download it again.");
        }

        var json = new byte[length];
        source.ReadExactly(json, prefix.Length);
        dataStart = prefix.Length + json.Length;
        return SafetensorsHeader.Parse(json, fileLength - dataStart, path, limits);
    }

    private SafetensorsEntry Find(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        return _header.Entries.TryGetValue(name, out var entry) ? entry : throw new ArgumentException($"{Description} has no tensor \"{name}\".{NearMiss.Hint(name, Names)}", nameof(name));
    }
}
