using FilterPruning.Detection.Onnx;
using FilterPruning.Detection.Tests.Training;
using FilterPruning.Storage;

namespace FilterPruning.Detection.Tests.Reliability;

/// <summary>Several files that appear together: what a move that fails, or a killed process, leaves.</summary>
public sealed class StagedFilesTests : IDisposable
{
    private readonly ScratchFolder _folder = new();

    private string One => _folder.File("one.onnx");

    private string Two => _folder.File("two.onnx");

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_move_that_fails_puts_back_what_was_there(bool wasThere)
    {
        if (wasThere)
            File.WriteAllText(One, "old");
        Directory.CreateDirectory(Two); // in the way of a file
        using (var files = new StagedFiles(One))
        {
            files.Write(One, stream => stream.WriteByte(1));
            files.Write(Two, stream => stream.WriteByte(2));
            Assert.Equal(ModelFileErrorKind.WriteFailed, Assert.Throws<ModelFileException>(files.Commit).Kind);
        }

        Assert.Equal(wasThere ? "old" : null, File.Exists(One) ? File.ReadAllText(One) : null);
        Assert.Equal(wasThere ? [One, Two] : [Two], Directory.GetFileSystemEntries(Path.GetDirectoryName(One)!).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Folders_of_killed_processes_go_away_with_the_next_write_and_others_stay()
    {
        // The first process of a system lives as long as it does.
        string[] stay = [One + ".1.partial", One + ".x7.partial", Two + ".999999999.partial"];
        foreach (var name in stay.Append(One + ".999999999.partial"))
            File.WriteAllText(Path.Combine(Directory.CreateDirectory(name).FullName, "one.onnx"), "half");
        File.WriteAllText(One, "old");
        using (var files = new StagedFiles(One))
        {
            files.Write(One, stream => stream.WriteByte(1));
            Assert.Equal("old", File.ReadAllText(One));
            files.Commit();
        }

        Assert.Equal(new byte[] { 1 }, File.ReadAllBytes(One));
        Assert.Equal(stay.Append(One).Order(StringComparer.Ordinal), Directory.GetFileSystemEntries(Path.GetDirectoryName(One)!).Order(StringComparer.Ordinal));
    }
}
