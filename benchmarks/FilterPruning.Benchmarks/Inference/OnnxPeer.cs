using Microsoft.ML.OnnxRuntime;

namespace FilterPruning.Benchmarks.Inference;

/// <summary>A graph in ONNX Runtime, with one input that stays the same.</summary>
internal sealed class OnnxPeer : IDisposable
{
    private readonly InferenceSession _session;
    private readonly OrtValue _value;
    private readonly RunOptions _options = new();
    private readonly string[] _inputs;
    private readonly string[] _outputs;

    /// <param name="path">The graph.</param>
    /// <param name="threads">Threads within an operation.</param>
    /// <param name="input">The name of the input.</param>
    /// <param name="tensor">Its value, float32 on the CPU.</param>
    /// <param name="outputs">What is asked for; the first one's first axis counts what was found.</param>
    public OnnxPeer(string path, int threads, string input, Tensor tensor, params string[] outputs)
    {
        using var options = new SessionOptions
        {
            IntraOpNumThreads = threads,
            InterOpNumThreads = 1,
            GraphOptimizationLevel = GraphOptimizationLevel.ORT_ENABLE_ALL,
            LogSeverityLevel = OrtLoggingLevel.ORT_LOGGING_LEVEL_ERROR,
        };
        // Its threads may spin while it runs, as they do by default, but not while the other competitor has its turn.
        options.AddSessionConfigEntry("session.force_spinning_stop", "1");
        _session = new InferenceSession(path, options);
        _value = OrtValue.CreateTensorValueFromMemory(tensor.contiguous().data<float>().ToArray(), tensor.shape);
        (_inputs, _outputs) = ([input], outputs);
    }

    /// <summary>Runs the graph once.</summary>
    /// <returns>The length of the first output's first axis.</returns>
    public int Run()
    {
        using var results = _session.Run(_options, _inputs, [_value], _outputs);
        return (int)results[0].GetTensorTypeAndShape().Shape[0];
    }

    public void Dispose()
    {
        _value.Dispose();
        _options.Dispose();
        _session.Dispose();
    }
}
