using System.Security.Cryptography;
using System.Text;
using DetectionServer.Work;

namespace DetectionServer.Http;

/// <summary><c>GET /</c>, the page, and what it asks for: <c>GET /models</c> and <c>GET /scenes/N</c>.</summary>
internal static class PageEndpoints
{
    public static void MapPage(this IEndpointRouteBuilder routes)
    {
        var page = ReadPage();
        var policy = $"default-src 'none'; script-src {Hashes(page, "script")}; style-src {Hashes(page, "style")}; img-src 'self' blob: data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
        var bytes = Encoding.UTF8.GetBytes(page);
        routes.MapGet("/", (HttpContext context) =>
        {
            // Only the page's own script and style run, whatever a picture or a class name may hold.
            context.Response.Headers.ContentSecurityPolicy = policy;
            context.Response.Headers.XContentTypeOptions = "nosniff";
            context.Response.Headers.CacheControl = "no-cache";
            return Results.Bytes(bytes, "text/html; charset=utf-8");
        });
        routes.MapGet("/models", Models);
        routes.MapGet("/scenes/{number:int}", (int number, SampleScenes scenes) => scenes.Get(number) is { } png
            ? Results.Bytes(png, "image/png")
            : Results.Problem($"There are {scenes.Count} scenes, counted from 0.", statusCode: StatusCodes.Status404NotFound, title: "There is no such scene"));
    }

    private static IResult Models(HttpContext context, Workers workers, SampleScenes scenes, ServerOptions options)
    {
        if (workers.Models is not { } info)
        {
            context.Response.Headers.RetryAfter = "2";
            return Results.Problem("The models are still being prepared. Try again in a moment.", statusCode: StatusCodes.Status503ServiceUnavailable, title: "The server is not ready");
        }

        return Results.Json(new { info.Classes, info.Models, Scenes = scenes.Count, options.MaxBodyBytes, options.MaxPixels, options.ScoreThreshold });
    }

    private static string ReadPage()
    {
        using var stream = typeof(PageEndpoints).Assembly.GetManifestResourceStream("index.html")!;
        using var reader = new StreamReader(stream, Encoding.UTF8);
        return reader.ReadToEnd();
    }

    // The page has one element of each kind, without attributes.
    private static string Hashes(string page, string element)
    {
        var start = page.IndexOf($"<{element}>", StringComparison.Ordinal) + element.Length + 2;
        var text = page[start..page.IndexOf($"</{element}>", start, StringComparison.Ordinal)];
        return $"'sha256-{Convert.ToBase64String(SHA256.HashData(Encoding.UTF8.GetBytes(text)))}'";
    }
}
