using System.Text.Json;
using System.Text.Json.Serialization;
using DetectionServer.Http;
using DetectionServer.Inference;
using DetectionServer.Metrics;
using DetectionServer.Work;

namespace DetectionServer;

/// <summary>Puts the server together.</summary>
public static class DetectionApp
{
    /// <summary>Makes the application; it listens once it runs.</summary>
    /// <param name="args">The command line: <c>--urls http://127.0.0.1:5080 --Detection:QueueLength 4</c>.</param>
    /// <exception cref="ArgumentException">A setting is out of its range; the message lists all that are.</exception>
    public static WebApplication Create(string[] args) => Create(args, services => services.AddSingleton<IDetectorFactory, DetectorFactory>());

    /// <summary>The same with other detectors: tests hold theirs back.</summary>
    internal static WebApplication Create(string[] args, Action<IServiceCollection> addDetectors)
    {
        var builder = WebApplication.CreateBuilder(new WebApplicationOptions { Args = args, ContentRootPath = AppContext.BaseDirectory });
        var options = builder.Configuration.GetSection("Detection").Get<ServerOptions>() ?? new ServerOptions();
        options.Validate();

        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            // ImageBody has the limit. Kestrel's own would close the connection on a body that is still coming, and many a client would then never read why.
            kestrel.Limits.MaxRequestBodySize = null;
        });
        builder.Services
            .Configure<HostOptions>(host => host.ShutdownTimeout = TimeSpan.FromSeconds(options.DrainSeconds))
            .ConfigureHttpJsonOptions(json =>
            {
                json.SerializerOptions.Converters.Add(new JsonStringEnumConverter(JsonNamingPolicy.CamelCase));
                json.SerializerOptions.DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull;
            })
            .AddProblemDetails()
            .AddSingleton(options)
            .AddSingleton(TimeProvider.System)
            .AddSingleton(services => new WorkQueue(options.QueueLength, services.GetRequiredService<TimeProvider>()))
            .AddSingleton<ServerMetrics>()
            .AddSingleton<ImageBody>()
            .AddSingleton<RequestHandler>()
            .AddSingleton<SampleScenes>()
            .AddSingleton<Workers>()
            .AddHostedService(services => services.GetRequiredService<Workers>());
        builder.Services.AddHealthChecks()
            .AddCheck<QueueCheck>("queue")
            .AddCheck<ReadyCheck>("models", tags: [HealthEndpoints.Ready]);
        addDetectors(builder.Services);

        var app = builder.Build();
        app.UseExceptionHandler();
        app.UseStatusCodePages();
        app.MapDetection();
        app.MapPage();
        app.MapHealth();
        app.MapGet("/metrics", (ServerMetrics metrics) => Results.Text(metrics.Text.Write(), PrometheusText.ContentType));
        _ = app.Services.GetRequiredService<ServerMetrics>(); // counts from the start
        return app;
    }
}
