using FilterPruning.Detection.Training;
using FilterPruning.Fuzz.Core;
using FilterPruning.Fuzz.Engine;
using FilterPruning.Storage;

namespace FilterPruning.Fuzz.Detection;

/// <summary>Training checkpoints. A state that is refused its file must be as it was.</summary>
internal sealed class CheckpointTarget : ReaderTarget
{
    private readonly TorchSharp.Modules.Linear _model = nn.Linear(2, 2);
    private readonly TrainingState _state;
    private readonly TrainingOptions _options = new();
    private byte[]? _valid;

    public CheckpointTarget()
    {
        using var noGrad = no_grad();
        foreach (var (_, parameter) in _model.named_parameters())
            parameter.fill_(0.5);
        _state = new TrainingState(_model, [.. _model.named_parameters().Select(entry => (entry.name, entry.parameter))], _options, null);
    }

    public override string Name => "checkpoint";

    public override double BytesPerByte => 200;

    public override long FreeBytes => 1 << 20;

    public override int MaximumLength => 8192;

    public override IReadOnlyList<byte[]> Words => [.. new SafetensorsTarget().Words, "\"iteration\":\"-1\""u8.ToArray(), "\"options\":\"[]\""u8.ToArray()];

    public override IEnumerable<byte[]> Seeds()
    {
        if (_valid is null)
        {
            var path = Path.GetTempFileName();
            TrainingCheckpoint.Write(path, _state, _options, "data", "", 7, 1);
            _valid = File.ReadAllBytes(path);
            File.Delete(path);
        }

        yield return _valid;
    }

    public override long Read(byte[] input)
    {
        using var noGrad = no_grad();
        _model.weight.fill_(0.5);
        try
        {
            using var file = TrainingCheckpoint.Checked(SafetensorsFile.Open("fuzz", ByteSource.Of(input), new SafetensorsLimits()), "fuzz");
            TrainingCheckpoint.Read(file, "fuzz", _state, _options, "data", "");
        }
        catch (PruningException) when (_model.weight.data<float>().Any(value => value != 0.5f))
        {
            throw new InvalidDataException("The model has other weights after a checkpoint that was refused.");
        }

        return 1024;
    }

    public override byte[] Repair(byte[] input, Mutator mutator) => SafetensorsTarget.Repaired(input, mutator);
}
