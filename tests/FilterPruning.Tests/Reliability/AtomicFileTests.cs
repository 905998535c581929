using FilterPruning.Storage;
using FilterPruning.Tests.Storage;

namespace FilterPruning.Tests.Reliability;

/// <summary>The old file or the new one, and nothing beside it.</summary>
public sealed class AtomicFileTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    private string Target => _folder["model.safetensors"];

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_write_that_fails_half_way_leaves_the_old_file_and_nothing_beside_it()
    {
        File.WriteAllText(Target, "old");
        foreach (var failure in new Exception[] { new IOException("no space", 28), new ArgumentOutOfRangeException("value", "too large a file"), new UnauthorizedAccessException("no"), new InvalidOperationException("a fault of the caller's") })
        {
            var thrown = Assert.ThrowsAny<Exception>(() => AtomicFile.Write(Target, stream =>
            {
                stream.Write(new byte[100_000]);
                throw failure;
            }));
            if (thrown is ModelFileException refused)
            {
                Assert.Equal(ModelFileErrorKind.WriteFailed, refused.Kind);
                Assert.Contains(Target, refused.Message, StringComparison.Ordinal);
                Assert.Equal(failure is not UnauthorizedAccessException, refused.Message.Contains("Make room", StringComparison.Ordinal));
            }
            else
            {
                Assert.Same(failure, thrown);
            }

            Assert.Equal("old", File.ReadAllText(Target));
            Assert.Equal(["model.safetensors"], _folder.Files);
        }
    }

    [Fact]
    public void What_killed_processes_left_is_removed_and_nothing_else()
    {
        string[] others = ["model.safetensors.partial", "model.safetensors.12a.partial", "model.safetensors.7.partial.bak", "other.safetensors.7.partial", "xmodel.safetensors.7.partial"];
        foreach (var name in others.Append("model.safetensors.7.partial").Append("model.safetensors.999999999.partial"))
            _folder.Write(name, 1);
        using (new FileStream(_folder["model.safetensors.8.partial"], FileMode.Create, FileAccess.Write, FileShare.None)) // a living writer's
        {
            AtomicFile.WriteText(Target, "new");
            Assert.Equal([.. others, "model.safetensors", "model.safetensors.8.partial"], _folder.Files.Order(StringComparer.Ordinal), SetComparer.Instance);
        }

        AtomicFile.WriteText(Target, "newer");
        Assert.DoesNotContain("model.safetensors.8.partial", _folder.Files);
        Assert.Equal("newer", File.ReadAllText(Target));
    }

    [Fact]
    public void A_folder_that_disappears_is_said_so()
    {
        var folder = Directory.CreateDirectory(_folder["results"]);
        var path = Path.Combine(folder.FullName, "model.safetensors");
        var error = Assert.Throws<ModelFileException>(() => AtomicFile.Write(path, _ => folder.Delete(recursive: true)));
        Assert.Equal((ModelFileErrorKind.WriteFailed, path), (error.Kind, error.FilePath));
        Assert.False(Directory.Exists(folder.FullName));
    }

    [Fact]
    public void A_path_that_cannot_be_written_is_found_out_before()
    {
        AtomicFile.CheckWritable(Target);
        Assert.Empty(_folder.Files);
        File.WriteAllText(Target, "old");
        AtomicFile.CheckWritable(Target);
        Assert.Equal("old", File.ReadAllText(Target));

        Directory.CreateDirectory(_folder["folder"]);
        foreach (var path in new[] { _folder["folder"], Path.Combine(_folder["nowhere"], "model.safetensors"), Path.Combine(Target, "model.safetensors") })
            Assert.Equal(ModelFileErrorKind.WriteFailed, Assert.Throws<ModelFileException>(() => AtomicFile.CheckWritable(path)).Kind);
    }

    [Fact]
    public void A_folder_of_the_system_refuses()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Needs a folder that not even root can write to: /proc.");
        Assert.Throws<ModelFileException>(() => AtomicFile.CheckWritable("/proc/model.safetensors"));
        Assert.Throws<ModelFileException>(() => AtomicFile.WriteText("/proc/model.safetensors", "new"));
    }

    [Fact]
    public void Devices_are_written_to_and_stay()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Needs /dev/null and /dev/full.");
        AtomicFile.WriteText("/dev/null", "gone");
        var error = Assert.Throws<ModelFileException>(() => AtomicFile.WriteText("/dev/full", "more than there is room for"));
        Assert.Contains("Make room", error.Message, StringComparison.Ordinal);
        Assert.Empty(File.ReadAllBytes("/dev/null"));
        Assert.Throws<ModelFileException>(() => AtomicFile.WriteText("/dev/full", "still a device"));
    }

    [Fact]
    public void One_process_at_a_time_holds_the_right_to_write_and_a_dead_one_none()
    {
        using (var first = WriterLock.TryTake(Target))
        {
            Assert.NotNull(first);
            Assert.Null(WriterLock.TryTake(Target));
        }

        Assert.Empty(_folder.Files);
        _folder.Write("model.safetensors.lock"); // of a killed process
        using var second = WriterLock.TryTake(Target);
        Assert.NotNull(second);
        Assert.ThrowsAny<IOException>(() => WriterLock.TryTake(Path.Combine(_folder["nowhere"], "x")));
    }

    private sealed class SetComparer : IEqualityComparer<IEnumerable<string>>
    {
        public static SetComparer Instance { get; } = new();

        public bool Equals(IEnumerable<string>? x, IEnumerable<string>? y) => x!.ToHashSet().SetEquals(y!);

        public int GetHashCode(IEnumerable<string> names) => names.Count();
    }
}
