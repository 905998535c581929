using System.Security.Cryptography;
using System.Text;

namespace FilterPruning.Cli.Study;

/// <summary>A fingerprint of everything a model keeps: names, shapes and bits of its parameters and buffers.</summary>
internal static class StateHash
{
    /// <summary>SHA-256, in hexadecimal digits.</summary>
    public static string Of(nn.Module model)
    {
        using var scope = NewDisposeScope();
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var (name, tensor) in model.state_dict().OrderBy(entry => entry.Key, StringComparer.Ordinal))
        {
            hash.AppendData(Encoding.UTF8.GetBytes($"{name} {tensor.dtype} [{string.Join(", ", tensor.shape)}] "));
            if (tensor.numel() > 0)
                hash.AppendData(tensor.detach().cpu().contiguous().bytes);
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    /// <summary>First 12 digits of a file's SHA-256.</summary>
    public static string OfFile(string path)
    {
        using var stream = File.OpenRead(path);
        return Convert.ToHexStringLower(SHA256.HashData(stream))[..12];
    }
}
