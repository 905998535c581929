using FilterPruning.Detection.Data;

namespace DetectionServer.Http;

/// <summary>Pictures to try the shipped detector on. There are none for other models.</summary>
internal sealed class SampleScenes(ServerOptions options)
{
    // Neither what the detector was trained on nor what repaired it.
    private const int Seed = 1_000_000;
    private const int Scenes = 12;

    // There is more to see in this one and in those after it.
    private const int First = 3;

    private readonly ShapeScenes _data = ShapeScenes.Create(Scenes, Seed, new ShapeScenesOptions { Width = 480, Height = 360, MinObjects = 3, EmptyProbability = 0 });
    private readonly byte[]?[] _made = new byte[]?[Scenes];
    private readonly Lock _lock = new();

    /// <summary>How many there are.</summary>
    public int Count => options.DenseModel is null ? Scenes : 0;

    /// <summary>A scene as PNG, drawn when it is asked for the first time; null when there is none of this number.</summary>
    public byte[]? Get(int number)
    {
        if (number < 0 || number >= Count)
            return null;
        lock (_lock)
            return _made[number] ??= Draw(number);
    }

    private byte[] Draw(int number)
    {
        using var scope = NewDisposeScope();
        return ImageFile.EncodePng(_data.Load((number + First) % Scenes).Image);
    }
}
