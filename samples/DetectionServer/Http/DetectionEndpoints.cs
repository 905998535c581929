using System.Globalization;
using DetectionServer.Work;

namespace DetectionServer.Http;

/// <summary><c>POST /detect</c> and <c>POST /compare</c>.</summary>
internal static class DetectionEndpoints
{
    // The first run at a new size orders weights for it; those after it show what the model takes.
    private const int ComparedRuns = 3;

    private static readonly ModelName[] Both = [ModelName.Dense, ModelName.Pruned];

    public static void MapDetection(this IEndpointRouteBuilder routes)
    {
        routes.MapPost("/detect", (HttpContext context, RequestHandler handler, ServerOptions options) => handler.Serve(
            context,
            "detect",
            () => new DetectionRequest([Model(context.Request.Query)], Score(context.Request.Query, options), Wants(context.Request.Query, "masks", "rle", "none"), Wants(context.Request.Query, "format", "png", "json", byDefault: false)),
            Detected));
        routes.MapPost("/compare", (HttpContext context, RequestHandler handler, ServerOptions options) => handler.Serve(
            context,
            "compare",
            () => new DetectionRequest(Both, Score(context.Request.Query, options), Wants(context.Request.Query, "masks", "rle", "none"), Runs: ComparedRuns),
            Compared));
    }

    private static IResult Detected(Job job, DetectionAnswer answer)
    {
        var found = answer.Found[0];
        if (found.Picture is not null)
            return Results.Bytes(found.Picture, "image/png");
        return Results.Json(new
        {
            found.Model,
            answer.Width,
            answer.Height,
            found.Milliseconds,
            Waited = Waited(job),
            job.Ahead,
            found.Boxes,
            found.Labels,
            found.Names,
            found.Scores,
            found.Masks,
        });
    }

    private static IResult Compared(Job job, DetectionAnswer answer) => Results.Json(new
    {
        answer.Width,
        answer.Height,
        Waited = Waited(job),
        job.Ahead,
        Dense = answer.Found[0],
        Pruned = answer.Found[1],
    });

    private static double Waited(Job job) => TimeProvider.System.GetElapsedTime(job.AcceptedAt, job.StartedAt).TotalMilliseconds;

    private static ModelName Model(IQueryCollection query) => query["model"].ToString() switch
    {
        "" or "pruned" => ModelName.Pruned,
        "dense" => ModelName.Dense,
        var other => throw Wrong("model", other, "pruned or dense"),
    };

    private static double Score(IQueryCollection query, ServerOptions options)
    {
        var text = query["score"].ToString();
        if (text.Length == 0)
            return options.ScoreThreshold;
        return double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var score) && score >= options.ScoreThreshold && score <= 1
            ? score
            : throw Wrong("score", text, string.Create(CultureInfo.InvariantCulture, $"{options.ScoreThreshold} (the server's own threshold) to 1"));
    }

    /// <summary>Whether a parameter of two values has the first one.</summary>
    private static bool Wants(IQueryCollection query, string name, string yes, string no, bool byDefault = true)
    {
        var text = query[name].ToString();
        return text.Length == 0 ? byDefault : text == yes || (text == no ? false : throw Wrong(name, text, $"{yes} or {no}"));
    }

    private static ProblemException Wrong(string name, string given, string allowed) =>
        new(StatusCodes.Status400BadRequest, "A parameter cannot be used", $"'{name}' is '{(given.Length > 40 ? given[..40] + " …" : given)}'; allowed is {allowed}.");
}
