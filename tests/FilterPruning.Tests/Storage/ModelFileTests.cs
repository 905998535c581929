using FilterPruning.Storage;
using static FilterPruning.Tests.Storage.PthFixtures;

namespace FilterPruning.Tests.Storage;

public sealed class ModelFileTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private static ModelFileErrorKind Refused(string path) => Assert.Throws<ModelFileException>(() => ModelFile.Open(path).Dispose()).Kind;

    [Fact]
    public void The_content_decides_and_not_the_name()
    {
        using var value = ones(1);
        SafetensorsFile.Write(_folder["a.pth"], [new("x", value)]);
        File.Copy(Fixture("dense.pth"), _folder["b.safetensors"]);
        using var safetensors = ModelFile.Open(_folder["a.pth"]);
        using var pth = ModelFile.Open(_folder["b.safetensors"]);
        Assert.IsType<SafetensorsFile>(safetensors);
        Assert.IsType<PthFile>(pth);
        Assert.Equal(_folder["a.pth"], safetensors.Description);
        Assert.Equal("Float32[1]", safetensors.Describe("x").ToString());
    }

    [Fact]
    public void Other_formats_are_refused_with_what_to_do()
    {
        Assert.Equal(ModelFileErrorKind.LegacyFormat, Refused(Fixture("legacy.pth")));
        Assert.Equal(ModelFileErrorKind.UnknownFormat, Refused(_folder.Write("a.bin", "GGUF and more"u8)));
        Assert.Equal(ModelFileErrorKind.UnknownFormat, Refused(_folder.Write("empty.pth")));
        Assert.Equal(ModelFileErrorKind.FileTooShort, Refused(_folder.Write("a.safetensors", 1, 2)));
        Assert.Equal(ModelFileErrorKind.NotFound, Refused(_folder["none"]));
        Assert.Equal(ModelFileErrorKind.ReadFailed, Refused(_folder["."]));
    }

    [Fact]
    public void A_pth_written_as_safetensors_holds_the_same_numbers()
    {
        using var scope = NewDisposeScope();
        using var pth = ModelFile.Open(Fixture("types.pth"));
        SafetensorsFile.Write(_folder["a"], pth.Names.Select(name => new KeyValuePair<string, Tensor>(name, pth.Read(name))));
        using var copy = ModelFile.Open(_folder["a"]);
        Assert.Equal(pth.Names, copy.Names);
        foreach (var name in pth.Names)
            Assert.Equal(pth.Read(name).bytes.ToArray(), copy.Read(name).bytes.ToArray());
    }
}
