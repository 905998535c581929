namespace FilterPruning.Fuzz.Engine;

/// <summary>A reader of files, as the fuzzer sees it: bytes go in; either it reads them or it throws one of the errors it documents.</summary>
internal abstract class ReaderTarget
{
    /// <summary>Its name on the command line, and of its folder of seeds.</summary>
    public abstract string Name { get; }

    /// <summary>What mutation begins with: valid files, and files that are valid but for one lie.</summary>
    public abstract IEnumerable<byte[]> Seeds();

    /// <summary>What is worth putting into an input as a whole.</summary>
    public virtual IReadOnlyList<byte[]> Words => [];

    /// <summary>The longest input.</summary>
    public virtual int MaximumLength => 4096;

    /// <summary>The allocation a reader may make without a reason in the input, in bytes.</summary>
    public virtual long FreeBytes => 256 << 10;

    /// <summary>The allocation, garbage included, a reader may make for each byte of input.</summary>
    public virtual double BytesPerByte => 64;

    /// <summary>The longest a run may take, in milliseconds. Generous: the machine may be busy.</summary>
    public virtual double Milliseconds => 2000;

    /// <summary>Reads the input to its end.</summary>
    /// <returns>The bytes of native memory that the reader took, tensors and bitmaps; they are free again.</returns>
    public abstract long Read(byte[] input);

    /// <summary>Whether an error is one of those that the reader documents.</summary>
    public virtual bool Allows(Exception error) => error is PruningException;

    /// <summary>Puts right what random changes always break, lengths and checksums, so that they come past the first check; or changes the input along its own structure.</summary>
    public virtual byte[] Repair(byte[] input, Mutator mutator) => input;
}
