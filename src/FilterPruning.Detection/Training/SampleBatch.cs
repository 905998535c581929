using FilterPruning.Detection.Data;
using FilterPruning.Detection.Models;

namespace FilterPruning.Detection.Training;

/// <summary>The augmented samples of one iteration. Owns them.</summary>
internal sealed class SampleBatch(IReadOnlyList<DetectionSample> samples) : IDisposable
{
    /// <summary>The images, each float32 <c>[3, H, W]</c>.</summary>
    public IReadOnlyList<Tensor> Images { get; } = [.. samples.Select(s => s.Image)];

    /// <summary>What is on them.</summary>
    public IReadOnlyList<Target> Targets { get; } = [.. samples.Select(s => s.Target)];

    /// <summary>The images and targets on a device; the batch itself where it is there already, otherwise copies in the current dispose scope.</summary>
    public (IReadOnlyList<Tensor> Images, IReadOnlyList<Target> Targets) To(Device device) => device.type == DeviceType.CPU
        ? (Images, Targets)
        : ([.. Images.Select(i => i.to(device))], [.. Targets.Select(t => new Target(t.Boxes.to(device), t.Labels.to(device), t.Masks.to(device)))]);

    /// <summary>Disposes the samples.</summary>
    public void Dispose()
    {
        foreach (DetectionSample sample in samples)
            sample.Dispose();
    }
}
