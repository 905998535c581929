namespace DetectionServer.Work;

/// <summary>One accepted request: a picture, and which models are to look at it. Changes its state only inside <see cref="WorkQueue"/>.</summary>
/// <param name="image">The picture's file as it came.</param>
/// <param name="request">What is wanted.</param>
internal sealed class Job(byte[] image, DetectionRequest request)
{
    // Continuations run elsewhere: a worker must not be held up by the writing of an answer.
    private readonly TaskCompletionSource<DetectionAnswer> _answer = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private byte[]? _image = image;

    /// <summary>The picture's file.</summary>
    public byte[] Image => _image ?? throw new InvalidOperationException("The job was given up; its picture is gone.");

    public DetectionRequest Request { get; } = request;

    public JobState State { get; set; }

    /// <summary>How many jobs were waiting or in work when this one was accepted. At most the queue's length − 1 + the number of workers.</summary>
    public int Ahead { get; set; }

    /// <summary>Timestamps of <see cref="TimeProvider.GetTimestamp"/>.</summary>
    public long AcceptedAt { get; set; }

    public long StartedAt { get; set; }

    /// <summary>What the worker found, or the exception it ended with.</summary>
    public Task<DetectionAnswer> Answer => _answer.Task;

    public void Complete(DetectionAnswer answer) => _answer.TrySetResult(answer);

    public void Fail(Exception error) => _answer.TrySetException(error);

    /// <summary>Nobody waits for the answer any more.</summary>
    public void GiveUp()
    {
        _image = null;
        _answer.TrySetCanceled();
    }
}

/// <summary>Where a job is.</summary>
internal enum JobState
{
    Waiting,
    Running,
    Done,
    Abandoned,
}
