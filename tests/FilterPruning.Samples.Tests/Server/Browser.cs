using System.Diagnostics;
using System.Net.WebSockets;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace FilterPruning.Samples.Tests.Server;

/// <summary>A headless Chromium with one page, spoken to over its DevTools protocol.</summary>
internal sealed class Browser : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);
    private readonly Process _process;
    private readonly DirectoryInfo _profile;
    private readonly ClientWebSocket _socket = new();
    private int _id;

    private Browser(Process process, DirectoryInfo profile)
    {
        _process = process;
        _profile = profile;
    }

    /// <summary>The path of a Chromium or Chrome, or null where there is none.</summary>
    public static string? Find() =>
        (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator)
        .SelectMany(folder => new[] { "chromium", "chromium-browser", "google-chrome", "chrome" }.Select(name => Path.Combine(folder, name)))
        .FirstOrDefault(File.Exists);

    public static async Task<Browser> StartAsync(string path)
    {
        var profile = Directory.CreateTempSubdirectory("filter-pruning-browser-");
        var start = new ProcessStartInfo(path) { RedirectStandardError = true, RedirectStandardOutput = true };
        // No sandbox: inside a container there is often none to be had, and the page is our own.
        foreach (var argument in new[] { "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-background-networking", "--remote-debugging-port=0", $"--user-data-dir={profile.FullName}", "about:blank" })
            start.ArgumentList.Add(argument);
        var process = Process.Start(start)!;
        process.OutputDataReceived += (_, _) => { };
        process.ErrorDataReceived += (_, _) => { };
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        var browser = new Browser(process, profile);
        try
        {
            await browser.Connect();
            return browser;
        }
        catch
        {
            await browser.DisposeAsync();
            throw;
        }
    }

    /// <summary>Goes to an address.</summary>
    public Task Open(Uri address) => Call("Page.navigate", new JsonObject { ["url"] = address.AbsoluteUri });

    /// <summary>The value of an expression in the page; promises are awaited.</summary>
    public async Task<JsonNode?> Evaluate(string expression)
    {
        var result = await Call("Runtime.evaluate", new JsonObject { ["expression"] = expression, ["returnByValue"] = true, ["awaitPromise"] = true });
        return result["exceptionDetails"] is { } error ? throw new InvalidOperationException($"{expression}: {error.ToJsonString()}") : result["result"]!["value"]?.DeepClone();
    }

    /// <summary>Waits until an expression is true.</summary>
    public async Task Until(string expression)
    {
        for (var clock = Stopwatch.StartNew(); ;)
        {
            if ((await Evaluate(expression))?.GetValueKind() == JsonValueKind.True)
                return;
            Assert.True(clock.Elapsed < Patience, $"The page did not come to {expression}: {await Evaluate("document.body.innerText")}");
            await Task.Delay(50);
        }
    }

    /// <summary>Presses a key, as a keyboard does.</summary>
    public async Task Press(string key, int code)
    {
        foreach (var type in new[] { "keyDown", "keyUp" })
            await Call("Input.dispatchKeyEvent", new JsonObject { ["type"] = type, ["key"] = key, ["code"] = key, ["windowsVirtualKeyCode"] = code, ["text"] = type == "keyDown" && key == "Enter" ? "\r" : "" });
    }

    /// <summary>Chooses a file in an input.</summary>
    public async Task ChooseFile(string selector, string path)
    {
        var root = await Call("DOM.getDocument", []);
        var input = await Call("DOM.querySelector", new JsonObject { ["nodeId"] = root["root"]!["nodeId"]!.DeepClone(), ["selector"] = selector });
        await Call("DOM.setFileInputFiles", new JsonObject { ["files"] = new JsonArray(path), ["nodeId"] = input["nodeId"]!.DeepClone() });
    }

    /// <summary>Sets the page's size and colours.</summary>
    public async Task Look(int width, int height, bool dark = false, bool phone = false)
    {
        await Call("Emulation.setDeviceMetricsOverride", new JsonObject { ["width"] = width, ["height"] = height, ["deviceScaleFactor"] = phone ? 2 : 1, ["mobile"] = phone });
        await Call("Emulation.setEmulatedMedia", new JsonObject { ["features"] = new JsonArray(new JsonObject { ["name"] = "prefers-color-scheme", ["value"] = dark ? "dark" : "light" }) });
    }

    /// <summary>The page as PNG.</summary>
    public async Task<byte[]> Screenshot() =>
        Convert.FromBase64String((string)(await Call("Page.captureScreenshot", new JsonObject { ["format"] = "png", ["captureBeyondViewport"] = true }))["data"]!);

    public async ValueTask DisposeAsync()
    {
        _socket.Dispose();
        if (!_process.HasExited)
            _process.Kill(entireProcessTree: true);
        await _process.WaitForExitAsync();
        _process.Dispose();
        try
        {
            _profile.Delete(recursive: true);
        }
        catch (IOException)
        {
            // a helper of the browser may still be writing; the system empties its folder of temporary files
        }
    }

    private async Task Connect()
    {
        var file = Path.Combine(_profile.FullName, "DevToolsActivePort");
        string[] lines = [];
        for (var clock = Stopwatch.StartNew(); lines.Length < 2; await Task.Delay(50))
        {
            if (_process.HasExited || clock.Elapsed > Patience)
                throw new InvalidOperationException("The browser did not start.");
            lines = File.Exists(file) ? await File.ReadAllLinesAsync(file) : [];
        }

        using var client = new HttpClient();
        var pages = JsonNode.Parse(await client.GetStringAsync($"http://127.0.0.1:{lines[0]}/json/list"))!.AsArray();
        var page = pages.First(entry => (string?)entry!["type"] == "page")!;
        await _socket.ConnectAsync(new Uri((string)page["webSocketDebuggerUrl"]!), CancellationToken.None);
        await Call("Page.enable", []);
    }

    // One call at a time; events in between are passed over.
    private async Task<JsonObject> Call(string method, JsonObject parameters)
    {
        using var deadline = new CancellationTokenSource(Patience);
        var id = ++_id;
        var message = new JsonObject { ["id"] = id, ["method"] = method, ["params"] = parameters };
        await _socket.SendAsync(Encoding.UTF8.GetBytes(message.ToJsonString()), WebSocketMessageType.Text, true, deadline.Token);
        var buffer = new byte[64 << 10];
        for (; ; )
        {
            using var text = new MemoryStream();
            WebSocketReceiveResult part;
            do
            {
                part = await _socket.ReceiveAsync(buffer, deadline.Token);
                text.Write(buffer, 0, part.Count);
            }
            while (!part.EndOfMessage);
            var answer = JsonNode.Parse(text.ToArray())!.AsObject();
            if ((int?)answer["id"] != id)
                continue;
            return answer["error"] is { } error ? throw new InvalidOperationException($"{method}: {error.ToJsonString()}") : answer["result"]!.DeepClone().AsObject();
        }
    }
}
