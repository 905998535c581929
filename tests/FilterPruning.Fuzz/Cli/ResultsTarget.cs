using FilterPruning.Cli.Report;
using FilterPruning.Fuzz.Core;
using FilterPruning.Fuzz.Engine;

namespace FilterPruning.Fuzz.Cli;

/// <summary>The results of studies as the report reads them.</summary>
internal sealed class ResultsTarget : JsonTarget
{
    public override string Name => "results";

    public override double BytesPerByte => 300;

    public override IEnumerable<byte[]> Seeds() => new StudyTarget().Seeds();

    public override long Read(byte[] input)
    {
        foreach (var (point, _) in ResultSet.Lines(Text(input), "fuzz", []))
            _ = point.Key.GetHashCode() + point.Key.ToString().Length;
        return 0;
    }

    public override bool Allows(Exception error) => error is ArgumentException { ParamName: null };

    public override byte[] Repair(byte[] input, Mutator mutator) => StudyTarget.Lines(input, mutator);
}
