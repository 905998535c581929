using System.Buffers.Binary;
using System.Text;

namespace FilterPruning.Tests.Storage;

/// <summary>Builds safetensors files by hand, valid and broken.</summary>
internal static class SafetensorsBytes
{
    public static byte[] Build(string header, int dataBytes = 0) => Build(Encoding.UTF8.GetBytes(header), dataBytes);

    public static byte[] Build(byte[] header, int dataBytes = 0)
    {
        var file = new byte[8 + header.Length + dataBytes];
        BinaryPrimitives.WriteUInt64LittleEndian(file, (ulong)header.Length);
        header.CopyTo(file, 8);
        for (var i = 0; i < dataBytes; i++)
            file[8 + header.Length + i] = (byte)i;
        return file;
    }

    public static string Entry(string name, string dtype, string shape, string offsets) => $$"""
        "{{name}}":{"dtype":"{{dtype}}","shape":{{shape}},"data_offsets":{{offsets}}}
        """;
}
