using System.Text;
using FilterPruning.Fuzz.Engine;

namespace FilterPruning.Fuzz.Core;

/// <summary>A reader of JSON: half of the changes go along its structure.</summary>
internal abstract class JsonTarget : ReaderTarget
{
    public override IReadOnlyList<byte[]> Words { get; } =
    [
        .. new[] { "null", "true", "[]", "{}", "\"\"", "\"\\ud800\"", "[[[[[[[[", "{\"a\":", ",", ":", "1e400", "-1", "\"\\u0000\"" }.Select(Encoding.ASCII.GetBytes),
    ];

    public override byte[] Repair(byte[] input, Mutator mutator) => JsonShape.Change(input, mutator);

    /// <summary>The input as text; bytes that are no UTF-8 become marks, as a reader of text files has it.</summary>
    protected static string Text(byte[] input) => Encoding.UTF8.GetString(input);
}
