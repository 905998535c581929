using DetectionServer.Inference;
using DetectionServer.Work;

namespace FilterPruning.Samples.Tests.Server;

/// <summary>A server with its own models, as <c>dotnet run</c> starts it, but for a repair from two scenes instead of twelve. One for all tests that need it.</summary>
public sealed class RealServer : IAsyncLifetime
{
    private RunningServer? _server;

    internal RunningServer Server => _server!;

    internal HttpClient Client => Server.Client;

    /// <summary>The file of the pruned model that it made.</summary>
    internal string PrunedFile => ((DetectorFactory)Server.App.Services.GetService(typeof(IDetectorFactory))!).PrunedPath;

    public async ValueTask InitializeAsync()
    {
        _server = await RunningServer.StartAsync(null, "RepairScenes=2", "QueueLength=4");
        await _server.Workers.Ready;
    }

    public async ValueTask DisposeAsync()
    {
        if (_server is not null)
            await _server.DisposeAsync();
    }
}

[CollectionDefinition(Name)]
public sealed class SharedServer : ICollectionFixture<RealServer>
{
    public const string Name = "server with its models";
}
