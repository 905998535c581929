namespace FilterPruning.Storage;

/// <summary>Why a model file was refused. One kind for every rejection, so that callers and tests can tell them apart without reading text.</summary>
public enum ModelFileErrorKind
{
    /// <summary>There is no file at the path.</summary>
    NotFound,

    /// <summary>The file system refused to read, or the file became shorter while it was read.</summary>
    ReadFailed,

    /// <summary>The file system refused to write; what was at the path before is unchanged.</summary>
    WriteFailed,

    /// <summary>The content is neither safetensors nor a zip archive written by <c>torch.save</c>.</summary>
    UnknownFormat,

    /// <summary>safetensors: the file is too short to hold the 8 bytes of the header's length.</summary>
    FileTooShort,

    /// <summary>safetensors: the header claims more than the limit of 100,000,000 bytes.</summary>
    HeaderTooLarge,

    /// <summary>safetensors: the header claims more bytes than the file has.</summary>
    HeaderBeyondFile,

    /// <summary>safetensors: the header does not begin with <c>{</c>.</summary>
    HeaderStart,

    /// <summary>safetensors: the header is not valid UTF-8.</summary>
    HeaderNotUtf8,

    /// <summary>safetensors: the header is not valid JSON.</summary>
    HeaderNotJson,

    /// <summary>safetensors: an entry is not an object with <c>dtype</c>, <c>shape</c> and <c>data_offsets</c>.</summary>
    InvalidEntry,

    /// <summary>A name occurs twice.</summary>
    DuplicateKey,

    /// <summary>safetensors: <c>__metadata__</c> is not an object whose values are all strings.</summary>
    InvalidMetadata,

    /// <summary>The element type is unknown, or one that TorchSharp has no tensors of.</summary>
    UnknownDType,

    /// <summary>A shape is not a list of at most 64 whole numbers that are not negative.</summary>
    InvalidShape,

    /// <summary>The number of bytes that a shape asks for does not fit in 63 bits.</summary>
    ShapeOverflow,

    /// <summary>safetensors: <c>data_offsets</c> is not a pair of whole numbers <c>0 ≤ begin ≤ end</c>.</summary>
    InvalidOffsets,

    /// <summary>safetensors: a tensor ends behind the end of the file.</summary>
    OffsetsBeyondBuffer,

    /// <summary>safetensors: the offsets hold another number of bytes than shape and element type ask for.</summary>
    SizeMismatch,

    /// <summary>safetensors: two tensors share bytes.</summary>
    OverlappingOffsets,

    /// <summary>safetensors: bytes before or between the tensors belong to none of them.</summary>
    HoleInBuffer,

    /// <summary>safetensors: bytes behind the last tensor belong to none.</summary>
    TrailingBytes,

    /// <summary>.pth: the file is in the format of <c>torch.save</c> before PyTorch 1.6, a bare pickle.</summary>
    LegacyFormat,

    /// <summary>.pth: the archive is a TorchScript program (<c>torch.jit.save</c>), not a set of tensors.</summary>
    TorchScript,

    /// <summary>.pth: the zip archive is damaged or encrypted, its entries claim more bytes than the file has or lie over each other, or its directory and an entry's own header differ.</summary>
    InvalidZip,

    /// <summary>.pth: an entry's name is absolute, holds <c>..</c> or a backslash, and could name a place outside the archive; or the entry is a symbolic link.</summary>
    UnsafeEntryName,

    /// <summary>.pth: an entry is compressed; <c>torch.save</c> stores its entries, and an inflated one could be of any size.</summary>
    CompressedEntry,

    /// <summary>.pth: the archive lacks <c>data.pkl</c> or a storage that a tensor refers to.</summary>
    MissingEntry,

    /// <summary>.pth: the entry <c>byteorder</c> is neither <c>little</c> nor <c>big</c>.</summary>
    ByteOrder,

    /// <summary>A number of tensors, entries, operations, levels, characters or bytes is over its limit in <see cref="PthLimits"/> or <see cref="SafetensorsLimits"/>.</summary>
    LimitExceeded,

    /// <summary>.pth: the pickle ends in the middle.</summary>
    PickleTruncated,

    /// <summary>.pth: the pickle holds an operation that files of tensors have no use for.</summary>
    UnsupportedOpcode,

    /// <summary>.pth: the pickle names a function or class other than the few that make tensors. Nothing was run.</summary>
    ForbiddenGlobal,

    /// <summary>.pth: the pickle's operations do not fit together.</summary>
    InvalidPickle,

    /// <summary>.pth: a storage has another size than the pickle claims.</summary>
    StorageSize,

    /// <summary>.pth: a tensor's shape, strides and offset reach outside its storage.</summary>
    TensorOutsideStorage,
}
