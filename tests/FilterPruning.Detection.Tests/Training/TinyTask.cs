using FilterPruning.Detection.Data;
using FilterPruning.Detection.Models;
using FilterPruning.Detection.Training;

namespace FilterPruning.Detection.Tests.Training;

/// <summary>A small network with a live norm and a sampler that draws from torch's default generator, standing in for a detector.</summary>
internal sealed class TinyModel : nn.Module
{
    private readonly TorchSharp.Modules.Conv2d conv1;
    private readonly TorchSharp.Modules.BatchNorm2d bn1;
    private readonly TorchSharp.Modules.Conv2d conv2;
    private readonly TorchSharp.Modules.Linear fc;
    // Takes part in every second iteration only, as a mask head does on images without objects.
    private readonly TorchSharp.Modules.Linear sometimes;

    public TinyModel(int seed)
        : base(nameof(TinyModel))
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator((ulong)seed);
        conv1 = nn.Conv2d(3, 8, 3, padding: 1);
        bn1 = nn.BatchNorm2d(8);
        conv2 = nn.Conv2d(8, 8, 3, stride: 2, padding: 1);
        fc = nn.Linear(8, 5);
        sometimes = nn.Linear(8, 5);
        RegisterComponents();
        using var noGrad = no_grad();
        foreach (var (name, parameter) in named_parameters().Where(p => !p.name.StartsWith("bn1")))
            parameter.normal_(0, name.EndsWith("weight") ? 0.2 : 0, generator);
    }

    public double Poison { get; set; }

    public int Calls { get; private set; }

    public LossDict Losses(IReadOnlyList<Tensor> images, IReadOnlyList<Target> targets, Generator generator)
    {
        using var scope = NewDisposeScope();
        var x = stack(images.ToArray());
        var y = stack(targets.Select(t => t.Boxes.sum([0L]) / 16).ToArray());
        var h = nn.functional.relu(bn1.call(conv1.call(x)));
        h = conv2.call(h).mean([2, 3]);
        // Drawn subsets of the features, as samplers draw proposals and dropout draws channels.
        h = h * rand(h.shape, generator: generator).gt(0.2).to(float32) * rand_like(h).gt(0.2).to(float32);
        var o = fc.call(h);
        if (Calls++ % 2 == 0)
            o = o + sometimes.call(h);
        var losses = (o[.., ..4] - y).square().mean([0L]);
        var last = o[.., 4].square().mean() + Poison;
        return new LossDict(
            losses[0].MoveToOuterDisposeScope(), losses[1].MoveToOuterDisposeScope(), losses[2].MoveToOuterDisposeScope(), losses[3].MoveToOuterDisposeScope(), last.MoveToOuterDisposeScope());
    }
}

/// <summary>Noise images with one box each.</summary>
internal sealed class TinyData(int count) : IDetectionDataset
{
    public int? Broken { get; init; }

    public int Loads { get; private set; }

    public string Name => "tiny";

    public IReadOnlyList<string> ClassNames => ["thing"];

    public int Count => count;

    public DetectionSample Load(int index)
    {
        if (index == Broken)
            throw new InvalidDataException("no such picture");
        Loads++;
        using var scope = NewDisposeScope();
        using var generator = new Generator((ulong)index + 100);
        var image = rand([3, 16, 16], generator: generator);
        var masks = zeros([1, 16, 16], uint8);
        int left = index % 6, top = index % 5;
        masks[0, top..(top + 8), left..(left + 7)] = 1;
        var boxes = tensor(new float[] { left, top, left + 7, top + 8 }).view(1, 4);
        return new DetectionSample(index, image.MoveToOuterDisposeScope(), new Target(boxes.MoveToOuterDisposeScope(), ones([1], int64).MoveToOuterDisposeScope(), masks.MoveToOuterDisposeScope()));
    }
}

/// <summary>A folder of its own for each test.</summary>
internal sealed class ScratchFolder : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("filterpruning-");

    public string File(string name) => Path.Combine(_folder.FullName, name);

    public void Dispose() => _folder.Delete(recursive: true);
}

/// <summary>Comparison of tensors to the last bit, and how many there are.</summary>
internal static class Bits
{
    /// <summary>Live tensors, without those that other tests left to the garbage collector.</summary>
    public static long LiveTensors()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        return Tensor.TotalCount;
    }

    public static bool Same(Tensor a, Tensor b)
    {
        using var scope = NewDisposeScope();
        return a.shape.SequenceEqual(b.shape) && a.dtype == b.dtype && a.detach().contiguous().bytes.SequenceEqual(b.detach().contiguous().bytes);
    }
}

/// <summary>Progress that is reported on the caller's thread.</summary>
internal sealed class DirectProgress(Action<TrainingProgress> report) : IProgress<TrainingProgress>
{
    public void Report(TrainingProgress value) => report(value);
}
