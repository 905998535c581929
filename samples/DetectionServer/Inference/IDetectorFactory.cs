using DetectionServer.Work;

namespace DetectionServer.Inference;

/// <summary>Makes what the workers work with.</summary>
internal interface IDetectorFactory
{
    /// <summary>Gets everything ready that all workers share; called once, may take seconds.</summary>
    ModelsInfo Prepare(CancellationToken cancellation);

    /// <summary>Models for one worker, which alone uses them, on its own thread. Called on that thread.</summary>
    IDetector Create();
}

/// <summary>The models of one worker. Not thread-safe.</summary>
internal interface IDetector : IDisposable
{
    /// <exception cref="FilterPruning.Detection.Data.ImageException">The picture is damaged.</exception>
    DetectionAnswer Run(byte[] image, DetectionRequest request);
}
