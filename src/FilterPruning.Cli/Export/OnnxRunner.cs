using System.Runtime.InteropServices;
using FilterPruning.Detection.Ops;
using Microsoft.ML.OnnxRuntime;

namespace FilterPruning.Cli.Export;

/// <summary>A detector in ONNX Runtime, in one file or in two that run one after the other.</summary>
internal sealed class OnnxRunner : IDisposable
{
    private static readonly string[] Inputs = ["image"];
    private static readonly string[] Outputs = ["boxes", "labels", "scores", "masks"];

    private readonly InferenceSession[] _sessions;
    private readonly RunOptions _options = new();

    /// <param name="paths">The model, or the backbone and the heads.</param>
    /// <param name="threads">Threads within an operation; 0 for the runtime's choice.</param>
    /// <exception cref="PruningException">The runtime cannot read a file, or is not there.</exception>
    public OnnxRunner(IReadOnlyList<string> paths, int threads)
    {
        using var options = new SessionOptions
        {
            IntraOpNumThreads = threads,
            InterOpNumThreads = 1,
            GraphOptimizationLevel = GraphOptimizationLevel.ORT_ENABLE_ALL,
            LogSeverityLevel = OrtLoggingLevel.ORT_LOGGING_LEVEL_ERROR,
        };
        // Its threads do not spin while another competitor has its turn.
        options.AddSessionConfigEntry("session.force_spinning_stop", "1");
        _sessions = [.. paths.Select(path => Open(path, options))];
        if (!_sessions[^1].OutputNames.Order(StringComparer.Ordinal).SequenceEqual(Outputs.Order(StringComparer.Ordinal), StringComparer.Ordinal))
            throw new PruningException($"'{paths[^1]}' gives {string.Join(", ", _sessions[^1].OutputNames)}, not {string.Join(", ", Outputs)}. Give a detector that 'filter-pruning export' wrote.");
    }

    /// <summary>What is found on an image, masks at its size; the caller owns it.</summary>
    /// <param name="image">float32 <c>[3, H, W]</c>.</param>
    public Detection.Models.Detection Detect(Tensor image)
    {
        using var scope = NewDisposeScope();
        using var input = ToOrt(image);
        using var results = Run(input, image);
        var boxes = ToTorch<float>(results[0], ScalarType.Float32);
        var masks = ToTorch<float>(results[3], ScalarType.Float32);
        if (masks.shape[2] != image.shape[1] || masks.shape[3] != image.shape[2])
            masks = MaskOps.PasteMasksInImage(masks, boxes, ((int)image.shape[1], (int)image.shape[2]));
        return new Detection.Models.Detection(
            boxes.MoveToOuterDisposeScope(), ToTorch<long>(results[1], ScalarType.Int64).MoveToOuterDisposeScope(),
            ToTorch<float>(results[2], ScalarType.Float32).MoveToOuterDisposeScope(), masks.MoveToOuterDisposeScope());
    }

    /// <summary>Runs on an image and lets go of what is found.</summary>
    /// <param name="input">The image's values.</param>
    /// <param name="image">The image.</param>
    /// <returns>Boxes, labels, scores, masks.</returns>
    public IDisposableReadOnlyCollection<OrtValue> Run(OrtValue input, Tensor image)
    {
        if (_sessions.Length == 1)
            return _sessions[0].Run(_options, Inputs, [input], Outputs);
        using var pyramid = _sessions[0].Run(_options, Inputs, [input], _sessions[0].OutputNames);
        using var size = OrtValue.CreateTensorValueFromMemory(new[] { image.shape[1], image.shape[2] }, [2]);
        return _sessions[1].Run(_options, [.. _sessions[0].OutputNames, "image_size"], [.. pyramid, size], Outputs);
    }

    /// <summary>The values of an image, as the runtime reads them.</summary>
    public static OrtValue ToOrt(Tensor image)
    {
        using var plain = image.contiguous();
        return OrtValue.CreateTensorValueFromMemory(plain.data<float>().ToArray(), image.shape);
    }

    public void Dispose()
    {
        foreach (var session in _sessions)
            session.Dispose();
        _options.Dispose();
    }

    private static InferenceSession Open(string path, SessionOptions options)
    {
        try
        {
            return new InferenceSession(path, options);
        }
        catch (OnnxRuntimeException error)
        {
            throw new PruningException($"ONNX Runtime cannot load '{path}': {error.Message}", error);
        }
    }

    private static Tensor ToTorch<T>(OrtValue value, ScalarType type)
        where T : unmanaged
    {
        var tensor = empty(value.GetTensorTypeAndShape().Shape, type);
        if (tensor.numel() > 0)
            MemoryMarshal.AsBytes(value.GetTensorDataAsSpan<T>()).CopyTo(MemoryMarshal.AsBytes(tensor.bytes));
        return tensor;
    }
}
