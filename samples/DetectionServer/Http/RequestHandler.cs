using DetectionServer.Metrics;
using DetectionServer.Work;
using FilterPruning.Detection.Data;

namespace DetectionServer.Http;

/// <summary>The way of a picture through the server: is there room, read it, a place in the queue, wait for the answer. Every way out is counted.</summary>
internal sealed partial class RequestHandler(WorkQueue queue, Workers workers, ImageBody body, ServerOptions options, ServerMetrics metrics, TimeProvider clock, ILogger<RequestHandler> logger)
{
    /// <summary>Serves one request.</summary>
    /// <param name="context">The request.</param>
    /// <param name="endpoint">Its name in the metrics.</param>
    /// <param name="parse">What is wanted; throws <see cref="ProblemException"/>.</param>
    /// <param name="respond">Writes the answer.</param>
    public async Task<IResult> Serve(HttpContext context, string endpoint, Func<DetectionRequest> parse, Func<Job, DetectionAnswer, IResult> respond)
    {
        var aborted = context.RequestAborted;
        try
        {
            var wanted = parse();
            // Before the body is read: a full server says so at once.
            Admit(queue.Peek());
            var bytes = await body.ReadAsync(context.Request, aborted);
            var job = new Job(bytes, wanted);
            Admit(queue.TryAdd(job));
            metrics.Accepted();
            var answer = await AnswerOf(job, aborted);
            metrics.Answered(clock.GetElapsedTime(job.AcceptedAt, job.StartedAt), clock.GetElapsedTime(job.AcceptedAt));
            metrics.Ended(endpoint, Outcome.Answered);
            return respond(job, answer);
        }
        catch (BusyException busy)
        {
            metrics.Ended(endpoint, Outcome.Refused);
            return Later(context, StatusCodes.Status429TooManyRequests, "The server is busy", busy.Message, RetryAfter());
        }
        catch (ProblemException problem)
        {
            var unavailable = problem.Status == StatusCodes.Status503ServiceUnavailable;
            metrics.Ended(endpoint, unavailable ? Outcome.Unavailable : Outcome.Invalid);
            return unavailable ? Later(context, problem.Status, problem.Title, problem.Message, seconds: 5) : Results.Problem(problem.Message, statusCode: problem.Status, title: problem.Title);
        }
        catch (ImageException)
        {
            metrics.Ended(endpoint, Outcome.Invalid);
            return Results.Problem(
                "The file starts like a picture, but it is damaged or cut short. Save or export it again.", statusCode: StatusCodes.Status422UnprocessableEntity, title: "The picture is damaged");
        }
        catch (Exception error) when (aborted.IsCancellationRequested && error is OperationCanceledException or IOException)
        {
            metrics.Ended(endpoint, Outcome.Abandoned);
            return Results.Empty; // nobody reads it
        }
        catch (BadHttpRequestException error)
        {
            metrics.Ended(endpoint, Outcome.Invalid);
            return Results.Problem(error.Message, statusCode: error.StatusCode, title: "The request cannot be read");
        }
#pragma warning disable CA1031 // a worker's failure is this request's; the message stays in the log
        catch (Exception error)
#pragma warning restore CA1031
        {
            metrics.Ended(endpoint, Outcome.Failed);
            LogFailed(endpoint, error);
            return Results.Problem("The detector failed on this picture. The server's log says why.", statusCode: StatusCodes.Status500InternalServerError, title: "Something went wrong");
        }
    }

    private async Task<DetectionAnswer> AnswerOf(Job job, CancellationToken aborted)
    {
        try
        {
            return await job.Answer.WaitAsync(aborted);
        }
        catch (OperationCanceledException)
        {
            queue.Abandon(job);
            throw;
        }
    }

    private void Admit(Admission admission)
    {
        if (admission == Admission.Closing)
            throw new ProblemException(StatusCodes.Status503ServiceUnavailable, "The server is about to stop", "It finishes what it has accepted and takes nothing new. Try again in a moment: another one may have taken over.");
        if (workers.Models is null)
            throw new ProblemException(StatusCodes.Status503ServiceUnavailable, "The server is not ready", "The models are still being prepared. Try again in a moment.");
        if (admission == Admission.Full)
            throw new BusyException($"{queue.Length} requests are waiting already, and no more are taken. Try again in a moment.");
    }

    /// <summary>Whole seconds until a queue that is full now will be empty.</summary>
    private int RetryAfter() => (int)Math.Clamp(Math.Ceiling(queue.TypicalRun.TotalSeconds * queue.Length / options.Workers), 1, 60);

    private static IResult Later(HttpContext context, int status, string title, string detail, int seconds)
    {
        context.Response.Headers.RetryAfter = seconds.ToString(System.Globalization.CultureInfo.InvariantCulture);
        return Results.Problem(detail, statusCode: status, title: title);
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "A request to {Endpoint} failed.")]
    private partial void LogFailed(string endpoint, Exception error);
}
