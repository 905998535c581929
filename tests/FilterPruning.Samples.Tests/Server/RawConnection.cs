using System.Net.Sockets;
using System.Text;

namespace FilterPruning.Samples.Tests.Server;

/// <summary>A client that sends what it likes and when it likes.</summary>
internal sealed class RawConnection : IDisposable
{
    private readonly TcpClient _client = new();

    private RawConnection()
    {
    }

    /// <summary>Sends the head of a request that promises a body.</summary>
    public static async Task<RawConnection> Promise(Uri server, string path, int bodyBytes)
    {
        var connection = new RawConnection();
        await connection._client.ConnectAsync(server.Host, server.Port);
        await connection.Send(Encoding.ASCII.GetBytes($"POST {path} HTTP/1.1\r\nHost: {server.Authority}\r\nContent-Length: {bodyBytes}\r\n\r\n"));
        return connection;
    }

    public async Task Send(byte[] bytes) => await _client.GetStream().WriteAsync(bytes);

    /// <summary>The first line of the answer, or nothing when the connection was closed without one.</summary>
    public async Task<string> StatusLine()
    {
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        using var reader = new StreamReader(_client.GetStream(), Encoding.ASCII, leaveOpen: true);
        return await reader.ReadLineAsync(deadline.Token) ?? "";
    }

    public void Dispose() => _client.Dispose();
}
