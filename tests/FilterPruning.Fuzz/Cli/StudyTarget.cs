using System.Text;
using FilterPruning.Cli.Study;
using FilterPruning.Fuzz.Core;
using FilterPruning.Fuzz.Engine;

namespace FilterPruning.Fuzz.Cli;

/// <summary>The results of a study as the study reads them to go on.</summary>
internal sealed class StudyTarget : JsonTarget
{
    /// <summary>A line of docs/results.</summary>
    public const string Line =
        """
        {"dataset":"shapescenes","model":"shapescenes","checkpoint":"757884a53bb0","criterion":"any","scope":"any","layers":"all","ratio":0,"target":null,"repair":"none","fineTuned":false,"seed":0,"status":"measured","note":"The unpruned model: ratio 0 of every criterion, scope and repair.","maskAP":0.605932,"maskAP50":0.857699,"maskAP75":0.666039,"maskAPSmall":0.477747,"maskAPMedium":0.771793,"maskAPLarge":null,"boxAP":0.674567,"boxAP50":0.875243,"boxAP75":0.824139,"boxAPSmall":0.618199,"boxAPMedium":0.750526,"boxAPLarge":null,"iouAt50":0.858556,"matchRate":0.835979,"maskAP50Low":0.813622,"maskAP50High":0.901598,"iouAt50Low":0.845086,"iouAt50High":0.870459,"detections":762,"parameters":4722963,"parametersDense":4722963,"macs":1632144320,"macsDense":1632144320,"inputSize":[160,160],"fileBytes":18928980,"fileBytesDense":18928980,"compression":1,"filters":4147,"filtersRemoved":0,"latencyP50":null,"latencyP95":null,"denseLatencyP50":null,"denseLatencyP95":null,"peakMemoryBytes":573075456,"images":0,"evalImages":50,"evalSize":160,"seconds":{"score":null,"plan":null,"repair":null,"cut":null,"prove":null,"treat":null,"evaluate":32.62,"latency":null,"total":32.81},"proofError":null,"version":"0.1.0","torch":"2.10.0","threads":1,"machine":"AMD EPYC, 2 cores, linux-x64"}
        """;

    public override string Name => "study";

    public override double BytesPerByte => 300;

    public override IEnumerable<byte[]> Seeds() => [Encoding.UTF8.GetBytes(Line.Trim() + "\n\n" + Line.Trim() + "\n")];

    public override long Read(byte[] input)
    {
        var end = Array.LastIndexOf(input, (byte)'\n') + 1;
        foreach (var point in StudyFile.Parse(input.AsSpan(0, end), "fuzz"))
            _ = point.Key.GetHashCode();
        return 0;
    }

    public override bool Allows(Exception error) => error is ArgumentException { ParamName: null };

    public override byte[] Repair(byte[] input, Mutator mutator) => Lines(input, mutator);

    /// <summary>Changes one line along its structure.</summary>
    public static byte[] Lines(byte[] input, Mutator mutator)
    {
        var lines = Text(input).Split('\n');
        var at = mutator.Random.Below(lines.Length);
        lines[at] = JsonShape.Change(lines[at], mutator);
        return Encoding.UTF8.GetBytes(string.Join('\n', lines));
    }
}
