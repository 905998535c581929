using System.Runtime.InteropServices;
using Microsoft.ML.OnnxRuntime;

namespace FilterPruning.Detection.Tests.Onnx;

/// <summary>An exported detector in ONNX Runtime.</summary>
internal sealed class OnnxModel : IDisposable
{
    private readonly InferenceSession _session;

    public OnnxModel(string path)
    {
        using var options = new SessionOptions { IntraOpNumThreads = 1, InterOpNumThreads = 1, LogSeverityLevel = OrtLoggingLevel.ORT_LOGGING_LEVEL_ERROR };
        _session = new InferenceSession(path, options);
    }

    public InferenceSession Session => _session;

    /// <summary>Runs the whole detector; the caller owns the result.</summary>
    public Models.Detection Detect(Tensor image)
    {
        using var input = ToOrt(image);
        using var run = new RunOptions();
        using var results = _session.Run(run, ["image"], [input], ["boxes", "labels", "scores", "masks"]);
        return new Models.Detection(ToTorch(results[0]), ToTorch(results[1], ScalarType.Int64), ToTorch(results[2]), ToTorch(results[3]));
    }

    public void Dispose() => _session.Dispose();

    public static OrtValue ToOrt(Tensor tensor)
    {
        using var plain = tensor.contiguous();
        return OrtValue.CreateTensorValueFromMemory(plain.data<float>().ToArray(), tensor.shape);
    }

    public static Tensor ToTorch(OrtValue value, ScalarType type = ScalarType.Float32)
    {
        var shape = value.GetTensorTypeAndShape().Shape;
        var result = empty(shape, type);
        if (result.numel() > 0)
            (type == ScalarType.Int64 ? MemoryMarshal.AsBytes(value.GetTensorDataAsSpan<long>()) : MemoryMarshal.AsBytes(value.GetTensorDataAsSpan<float>())).CopyTo(MemoryMarshal.AsBytes(result.bytes));
        return result;
    }
}
