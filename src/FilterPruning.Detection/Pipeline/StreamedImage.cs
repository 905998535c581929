namespace FilterPruning.Detection.Pipeline;

/// <summary>One image on its way through the pipeline. Whichever stage has it is the only one that touches it.</summary>
internal sealed class StreamedImage(long index, ImageSource source) : IDisposable
{
    private readonly TaskCompletionSource<DetectionResult> _done = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public long Index => index;

    public ImageSource Source => source;

    /// <summary>Ends when <see cref="Image"/> or <see cref="Error"/> is there.</summary>
    public Task Decoded { get; set; } = Task.CompletedTask;

    public Tensor? Image { get; set; }

    public Exception? Error { get; set; }

    /// <summary>What the network found, masks not yet pasted.</summary>
    public Models.Detection? Found { get; set; }

    /// <summary>Height and width as the network saw them.</summary>
    public (int Height, int Width) Resized { get; set; }

    public Task<DetectionResult> Done => _done.Task;

    /// <summary>The result is there; images that nobody wants go.</summary>
    public void Finish(Models.Detection? detection, bool keepImage)
    {
        var image = keepImage ? Image : null;
        if (!keepImage)
            DropImage();
        _done.SetResult(new DetectionResult(index, source.Name) { Detection = detection, Error = Error, Image = image, OwnsImage = source.IsOwned });
    }

    /// <summary>For images that are never handed out.</summary>
    public void Dispose()
    {
        if (_done.Task.IsCompletedSuccessfully)
            _done.Task.Result.Dispose();
        Found?.Dispose();
        DropImage();
    }

    private void DropImage()
    {
        if (source.IsOwned)
            Image?.Dispose();
        Image = null;
    }
}
