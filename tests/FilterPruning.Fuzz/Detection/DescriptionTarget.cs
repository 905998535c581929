using System.Text;
using FilterPruning.Detection.Models;
using FilterPruning.Fuzz.Core;

namespace FilterPruning.Fuzz.Detection;

/// <summary>A detector's description, JSON in a checkpoint's metadata.</summary>
internal sealed class DescriptionTarget : JsonTarget
{
    public override string Name => "description";

    public override double BytesPerByte => 100;

    public override IEnumerable<byte[]> Seeds() =>
    [
        Encoding.UTF8.GetBytes(new DetectorDescription { Model = "maskrcnn_resnet18_fpn", ClassNames = ["circle", "square"] }.ToJson()),
        """{"model":"maskrcnn_resnet50_fpn","classNames":["a"],"options":{"minSize":160,"fpnChannels":64}}"""u8.ToArray(),
    ];

    public override long Read(byte[] input)
    {
        var description = DetectorDescription.FromJson(Text(input));
        if (DetectorDescription.FromJson(description.ToJson()).ToJson() != description.ToJson())
            throw new InvalidDataException("The description changes when it is written and read.");
        try
        {
            description.Options.Validate(description.NumClasses);
        }
        catch (ArgumentException)
        {
            // What making the model throws, with every violation.
        }

        return 0;
    }
}
