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
}
