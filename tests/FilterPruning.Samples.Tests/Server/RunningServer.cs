using System.Net.Http.Json;
using System.Text.Json.Nodes;
using DetectionServer;
using DetectionServer.Inference;
using DetectionServer.Metrics;
using DetectionServer.Work;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace FilterPruning.Samples.Tests.Server;

/// <summary>The server in this process, on a free port of the loopback address.</summary>
internal sealed class RunningServer : IAsyncDisposable
{
    private RunningServer(WebApplication app)
    {
        App = app;
        Address = new Uri(app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single());
        Client = new HttpClient { BaseAddress = Address, Timeout = TimeSpan.FromMinutes(1) };
    }

    public WebApplication App { get; }

    public Uri Address { get; }

    public HttpClient Client { get; }

    public WorkQueue Queue => App.Services.GetRequiredService<WorkQueue>();

    public Workers Workers => App.Services.GetRequiredService<Workers>();

    /// <summary>Starts one with the real models, which it makes itself, or with detectors that the test holds in its hand.</summary>
    public static async Task<RunningServer> StartAsync(IDetectorFactory? detectors, params string[] settings)
    {
        string[] args = ["--urls=http://127.0.0.1:0", "--Logging:LogLevel:Default=None", .. settings.Select(setting => $"--Detection:{setting}")];
        var app = detectors is null ? DetectionApp.Create(args) : DetectionApp.Create(args, services =>
        {
            services.AddSingleton(detectors);
            if (detectors is TimeProvider clock)
                services.AddSingleton(clock);
        });
        await app.StartAsync();
        return new RunningServer(app);
    }

    /// <summary>The number that a metric has now; 0 when it was never counted.</summary>
    public async Task<double> Metric(string series)
    {
        var text = await Client.GetStringAsync("metrics");
        var line = text.Split('\n').FirstOrDefault(line => line.StartsWith(series + " ", StringComparison.Ordinal));
        return line is null ? 0 : double.Parse(line[(series.Length + 1)..], System.Globalization.CultureInfo.InvariantCulture);
    }

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        await App.StopAsync();
        await App.DisposeAsync();
    }
}

/// <summary>Reads answers.</summary>
internal static class Responses
{
    public static async Task<JsonObject> Json(this HttpResponseMessage response) => (await response.Content.ReadFromJsonAsync<JsonObject>())!;

    public static Task<HttpResponseMessage> Send(this HttpClient client, string path, byte[] body) => client.PostAsync(path, new ByteArrayContent(body));

    /// <summary>Checks that an error is answered in words, as problem+json, and returns them.</summary>
    public static async Task<string> Problem(this HttpResponseMessage response, int status)
    {
        Assert.Equal(status, (int)response.StatusCode);
        Assert.Equal("application/problem+json", response.Content.Headers.ContentType?.MediaType);
        var problem = await response.Json();
        Assert.Equal(status, (int)problem["status"]!);
        Assert.NotEmpty((string?)problem["title"] ?? "");
        return (string?)problem["detail"] ?? "";
    }
}
