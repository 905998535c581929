using System.Buffers.Binary;
using System.Text;
using CsCheck;
using FilterPruning.Fuzz.Core;
using FilterPruning.Storage;

namespace FilterPruning.Tests.Storage;

/// <summary>The known families of attacks on readers of <c>.pth</c> files, each refused by its own error. Files are made here, byte by byte; nothing in them is ever run.</summary>
public sealed class HostilePthTests
{
    private const string Tensor = "ctorch._utils\n_rebuild_tensor_v2\n((X\a\0\0\0storagectorch\nFloatStorage\nX\u0001\0\0\00X\u0003\0\0\0cpuK\u0004tQK\0K\u0002K\u0002\u0086K\u0002K\u0001\u0086\u0089)tR";

    private static ModelFileException Rejected(ModelFileErrorKind kind, byte[] file, PthLimits? limits = null)
    {
        var before = GC.GetAllocatedBytesForCurrentThread();
        var error = Assert.Throws<ModelFileException>(() => PthFile.Open("hostile.pth", ByteSource.Of(file), limits ?? new PthLimits()).Dispose());
        Assert.True(kind == error.Kind, $"{kind} expected, got {error.Kind}: {error.Message}");
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, (1 << 20) + (200L * file.Length));
        return error;
    }

    private static byte[] Archive(string pickle) => PthTarget.Archive([("a/data.pkl", Encoding.Latin1.GetBytes(pickle)), ("a/data/0", new byte[16])]);

    private static ModelFileException RejectedPickle(ModelFileErrorKind kind, string pickle, PthLimits? limits = null) => Rejected(kind, Archive(pickle), limits);

    public static TheoryData<string, string> Callables => new()
    {
        { "os", "system" }, { "posix", "system" }, { "nt", "system" }, { "os", "execv" }, { "os", "popen" }, { "builtins", "eval" }, { "builtins", "exec" }, { "builtins", "compile" },
        { "builtins", "__import__" }, { "builtins", "getattr" }, { "builtins", "open" }, { "__builtin__", "eval" }, { "subprocess", "Popen" }, { "subprocess", "check_output" }, { "subprocess", "run" },
        { "runpy", "run_path" }, { "runpy", "_run_code" }, { "webbrowser", "open" }, { "importlib", "import_module" }, { "pty", "spawn" }, { "socket", "create_connection" }, { "shutil", "rmtree" },
        { "pickle", "loads" }, { "_pickle", "loads" }, { "marshal", "loads" }, { "types", "CodeType" }, { "types", "FunctionType" }, { "functools", "partial" }, { "operator", "attrgetter" },
        { "operator", "methodcaller" }, { "bdb", "Bdb.run" }, { "timeit", "timeit" }, { "code", "InteractiveInterpreter" }, { "asyncio", "create_subprocess_shell" }, { "ctypes", "CDLL" },
        { "sys", "exit" }, { "torch", "load" }, { "torch.hub", "load" }, { "torch.serialization", "load" }, { "torch._utils", "_import_dotted_name" }, { "torch.jit", "load" }, { "numpy", "load" },
        { "collections", "OrderedDict.__class__" }, { "torch", "Size.__init__.__globals__" }, { "torch._utils", "_rebuild_tensor_v2.__globals__" },
    };

    [Theory]
    [MemberData(nameof(Callables))]
    public void A_function_is_refused_by_name_however_it_is_named(string module, string name)
    {
        var literals = $"\u008c{(char)module.Length}{module}\u008c{(char)name.Length}{name}";
        string[] pickles =
        [
            $"\u0080\u0002c{module}\n{name}\nX\u0002\0\0\0id\u0085R.", // GLOBAL, called
            $"\u0080\u0004{literals}\u0093\u008c\u0002id\u0085R.", // STACK_GLOBAL, called
            $"\u0080\u0004\u0095\u00ff\u00ff\u00ff\u00ff\u00ff\u00ff\u00ff\u00ff{literals}\u0093.", // in a frame of any size, not called
            $"\u0080\u0002}}X\u0001\0\0\0a{Tensor}sc{module}\n{name}\n)R.", // behind a real tensor
            $"\u0080\u0002ccollections\nOrderedDict\n)R}}X\f\0\0\0__setstate__c{module}\n{name}\nsb.", // as a state to be set
            $"\u0080\u0002{Tensor[..^3]}c{module}\n{name}\n)RtR.", // as an argument of a tensor
        ];
        foreach (var pickle in pickles)
            Assert.Contains($"{module}.{name}", RejectedPickle(ModelFileErrorKind.ForbiddenGlobal, pickle).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("(ios\nsystem\n.")] // INST
    [InlineData("\u0080\u0002(cos\nsystem\n.", ModelFileErrorKind.ForbiddenGlobal)]
    [InlineData("\u0080\u0002(ccollections\nOrderedDict\no.")] // OBJ
    [InlineData("\u0080\u0002ccollections\nOrderedDict\n)\u0081.")] // NEWOBJ
    [InlineData("\u0080\u0004ccollections\nOrderedDict\n)}\u0092.")] // NEWOBJ_EX
    [InlineData("\u0080\u0002\u0082\u0001.")] // EXT1
    [InlineData("\u0080\u0002\u0083\u0001\u0001.")] // EXT2
    [InlineData("\u0080\u0002\u0084\u0001\u0001\u0001\u0001.")] // EXT4
    [InlineData("\u0080\u0002Pos.system\n.")] // PERSID
    [InlineData("\u0080\u0002\u008b\u00ff\u00ff\u00ff\u007f.")] // LONG4 of two gigabytes
    [InlineData("\u0080\u0005\u0096\u00ff\u00ff\u00ff\u00ff\u00ff\u00ff\u00ff\u007f.")] // BYTEARRAY8
    [InlineData("\u0080\u0005\u0097.")] // NEXT_BUFFER
    [InlineData("L99999999999999999999\n.")] // LONG as text
    [InlineData("S'x'\n.")] // STRING
    [InlineData("Vx\n.")] // UNICODE
    public void An_operation_that_makes_objects_or_large_numbers(string pickle, ModelFileErrorKind kind = ModelFileErrorKind.UnsupportedOpcode) => RejectedPickle(kind, pickle);

    [Theory]
    [InlineData("}}b.")] // BUILD on a dictionary is what torch.save writes; on anything else it is not
    [InlineData("]}b.")]
    [InlineData("K\u0001}b.")]
    [InlineData(")}b.")]
    [InlineData(Tensor + "}b.")]
    public void A_state_set_on_what_has_none(string pickle)
    {
        if (pickle[0] == '}')
            using (PthFile.Open("x", ByteSource.Of(Archive("\u0080\u0002" + pickle)), new PthLimits()))
                return;
        RejectedPickle(ModelFileErrorKind.InvalidPickle, "\u0080\u0002" + pickle);
    }

    [Fact]
    public void A_namespace_that_is_its_own_attributes() => RejectedPickle(ModelFileErrorKind.InvalidPickle, "\u0080\u0002cargparse\nNamespace\n)\u0081q\0h\0b.");

    [Fact]
    public void A_reduce_within_a_reduce_within_a_reduce()
    {
        // eval(eval(…)) fifty times over: the innermost name is already refused.
        var pickle = "\u0080\u0002" + string.Concat(Enumerable.Repeat("cbuiltins\neval\n", 50)) + "X\u0001\0\0\01" + string.Concat(Enumerable.Repeat("\u0085R", 50)) + ".";
        RejectedPickle(ModelFileErrorKind.ForbiddenGlobal, pickle);

        // The same with functions that may be called, on what they are not for.
        RejectedPickle(ModelFileErrorKind.InvalidPickle, "\u0080\u0002" + string.Concat(Enumerable.Repeat("ctorch\nSize\n", 50)) + "K\u0001" + string.Concat(Enumerable.Repeat("\u0085R", 50)) + ".");
    }

    [Theory]
    [InlineData("h0h0\u0086")] // a tuple of the last tuple twice
    [InlineData("](h0h0e")] // a list of the last list twice
    [InlineData("}(K\u0001h0K\u0002h0u")]
    public void A_memo_bomb_of_two_to_the_sixtieth(string doubled)
    {
        var pickle = new StringBuilder("\u0080\u0002]q\0");
        for (var level = 0; level < 60; level++)
            pickle.Append(doubled.Replace("h0", $"h{(char)level}", StringComparison.Ordinal)).Append('q').Append((char)(level + 1));
        RejectedPickle(ModelFileErrorKind.LimitExceeded, pickle.Append('.').ToString());
    }

    [Fact]
    public void A_tuple_of_tuples_as_a_key_takes_no_time()
    {
        var pickle = new StringBuilder("\u0080\u0002)q\0");
        for (var level = 0; level < 60; level++)
            pickle.Append($"h{(char)level}h{(char)level}\u0086q{(char)(level + 1)}");
        using var file = PthFile.Open("x", ByteSource.Of(Archive(pickle.Append("}h\u003cK\u0001s.").ToString())), new PthLimits());
        Assert.Empty(file.Names);
    }

    [Fact]
    public void A_long_key_above_many_references_to_one_tensor()
    {
        // Two bytes for each tensor, and each would have a name of 4,000 characters.
        var pickle = $"\u0080\u0002{Tensor}q\0}}X\u00a0\u000f\0\0{new string('k', 4000)}]({string.Concat(Enumerable.Repeat("h\0", 30_000))}es.";
        var error = RejectedPickle(ModelFileErrorKind.LimitExceeded, pickle, new PthLimits { NameCharacters = 1_000_000 });
        Assert.Contains("1000000 characters", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_name_longer_than_the_limit()
    {
        var pickle = $"\u0080\u0002}}X\u0000\u0010\0\0{new string('k', 4096)}}}X\u0001\0\0\0w{Tensor}ss.";
        Assert.Contains("4098", RejectedPickle(ModelFileErrorKind.LimitExceeded, pickle).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_remembered_text_joined_again_and_again()
    {
        // torch.device(text, 0) makes a new text: five bytes for as many characters as the remembered one has.
        var pickle = $"\u0080\u0002]X\u0000\u0000\u0001\0{new string('d', 65_536)}q\0K\0\u0086q\u0001({string.Concat(Enumerable.Repeat("ctorch\ndevice\nh\u0001R", 2000))}e.";
        RejectedPickle(ModelFileErrorKind.InvalidPickle, pickle);
    }

    [Fact]
    public void A_remembered_shape_copied_again_and_again()
    {
        var sizes = "(" + string.Concat(Enumerable.Repeat("K\u0001", 64)) + "t";
        var storage = "(X\a\0\0\0storagectorch\nFloatStorage\nX\u0001\0\0\00X\u0003\0\0\0cpuK\u0004tQ";
        var pickle = $"\u0080\u0002](ctorch._utils\n_rebuild_tensor_v2\nq\0({storage}K\0{sizes}{sizes}\u0089)tq\u0001R{string.Concat(Enumerable.Repeat("h\0h\u0001R", 1000))}e.";
        RejectedPickle(ModelFileErrorKind.LimitExceeded, pickle, new PthLimits { Operations = 5000 });
    }

    [Fact]
    public void A_storage_with_a_long_key() =>
        RejectedPickle(ModelFileErrorKind.InvalidPickle, $"\u0080\u0002(X\a\0\0\0storagectorch\nFloatStorage\nX\0\u0010\0\0{new string('k', 4096)}X\u0003\0\0\0cpuK\u0004tQ.");

    // --- the archive ---------------------------------------------------------------------------------------------------

    [Theory]
    [InlineData("../evil")]
    [InlineData("a/../../evil")]
    [InlineData("/etc/passwd")]
    [InlineData("C:/evil")]
    [InlineData("a\\..\\evil")]
    [InlineData("a/data/0\0.png")]
    public void A_name_that_leads_out_of_the_archive(string name) => Rejected(ModelFileErrorKind.UnsafeEntryName, PthTarget.Archive([("a/data.pkl", "\u0080\u0002N."u8.ToArray()), (name, [1])]));

    [Fact]
    public void An_entry_that_is_a_symbolic_link()
    {
        var file = Archive("\u0080\u0002N.");
        var entry = Directory(file, 1);
        file[entry + 5] = 3; // made on Unix
        BinaryPrimitives.WriteUInt32LittleEndian(file.AsSpan(entry + 38), 0xA1FFu << 16); // lrwxrwxrwx
        Assert.Contains("symbolic link", Rejected(ModelFileErrorKind.UnsafeEntryName, file).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Two_entries_over_each_other()
    {
        // The second entry of the directory points at the first one's bytes.
        var file = PthTarget.Archive([("a/data.pkl", "\u0080\u0002N."u8.ToArray()), ("a/data/0", new byte[16]), ("a/data/1", new byte[16])]);
        var (first, second) = (Directory(file, 1), Directory(file, 2));
        file.AsSpan(first + 42, 4).CopyTo(file.AsSpan(second + 42));
        Rejected(ModelFileErrorKind.InvalidZip, file); // its own header has another name

        // An entry that is longer than it is, so that its end lies in the next one. The sizes in its own header are those of the directory.
        file = PthTarget.Archive([("a/data.pkl", Encoding.Latin1.GetBytes("\u0080\u0002N.")), ("a/data/0", new byte[64])]);
        foreach (var at in new[] { Directory(file, 0) + 20, Directory(file, 0) + 24, Local(file, 0) + 18, Local(file, 0) + 22 })
            BinaryPrimitives.WriteUInt32LittleEndian(file.AsSpan(at), 50);
        Assert.Contains("lie over each other", Rejected(ModelFileErrorKind.InvalidZip, file).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(20, 17u)] // fewer bytes than it has
    [InlineData(20, 1_000_000u)]
    [InlineData(24, 4_000_000_000u)]
    public void Sizes_that_lie(int field, uint size)
    {
        var file = PthTarget.Archive([("a/data.pkl", Encoding.Latin1.GetBytes("\u0080\u0002N.")), ("a/data/0", new byte[64])]);
        foreach (var at in field == 20 ? new[] { 20, 24 } : [24])
            BinaryPrimitives.WriteUInt32LittleEndian(file.AsSpan(Directory(file, 1) + at), size);
        Rejected(field == 20 ? ModelFileErrorKind.InvalidZip : ModelFileErrorKind.CompressedEntry, file);
    }

    [Fact]
    public void An_entry_that_says_stored_in_one_place_and_deflated_in_the_other()
    {
        var file = Archive("\u0080\u0002N.");
        file[Directory(file, 1) + 10] = 8;
        Rejected(ModelFileErrorKind.CompressedEntry, file);
        file = Archive("\u0080\u0002N.");
        file[Local(file, 1) + 8] = 8;
        Rejected(ModelFileErrorKind.InvalidZip, file);
    }

    [Fact]
    public void An_encrypted_entry()
    {
        var file = Archive("\u0080\u0002N.");
        file[Directory(file, 1) + 8] |= 1;
        Assert.Contains("encrypted", Rejected(ModelFileErrorKind.InvalidZip, file).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(10, 60_000)] // more entries than there is directory
    [InlineData(10, 1)] // fewer than there are
    public void A_directory_of_another_length_than_claimed(int field, int value)
    {
        var file = Archive("\u0080\u0002N.");
        BinaryPrimitives.WriteUInt16LittleEndian(file.AsSpan(file.Length - 22 + field), (ushort)value);
        Rejected(ModelFileErrorKind.InvalidZip, file);
    }

    [Fact]
    public void A_compressed_bomb()
    {
        using var memory = new MemoryStream();
        using (var zip = new System.IO.Compression.ZipArchive(memory, System.IO.Compression.ZipArchiveMode.Create, leaveOpen: true))
        {
            PthFixtures.Add(zip, "a/data.pkl", Encoding.Latin1.GetBytes("\u0080\u0002N."));
            PthFixtures.Add(zip, "a/data/0", new byte[10_000_000], System.IO.Compression.CompressionLevel.Optimal);
        }

        Assert.InRange(memory.Length, 0, 20_000);
        Rejected(ModelFileErrorKind.CompressedEntry, memory.ToArray());
    }

    [Fact]
    public void Any_number_of_the_directory_may_lie() =>
        Gen.Select(Gen.Int[0, 400], Gen.OneOf(Gen.UInt, Gen.Const(uint.MaxValue), Gen.Const(0u), Gen.UInt[0, 400]), Gen.Int[1, 2]).Sample(
            (at, value, size) =>
            {
                var file = PthTarget.Archive([("a/data.pkl", Encoding.Latin1.GetBytes($"\u0080\u0002{Tensor}.")), ("a/data/0", new byte[16])]);
                var place = Math.Min(file.Length - 4, file.AsSpan().IndexOf("PK\u0001\u0002"u8) + at);
                BitConverter.GetBytes(value).AsSpan(0, 2 * size).CopyTo(file.AsSpan(place));
                try
                {
                    using var opened = PthFile.Open("x", ByteSource.Of(file), new PthLimits());
                    foreach (var name in opened.Names)
                        opened.Read(name).Dispose();
                }
                catch (ModelFileException)
                {
                    // A refusal is as good.
                }
            },
            iter: 2000,
            seed: "0N0XIzNsQ0O3",
            threads: 1);

    private static int Directory(byte[] file, int entry)
    {
        var at = file.AsSpan().IndexOf("PK\u0001\u0002"u8);
        for (; entry > 0; entry--)
            at += 4 + file.AsSpan(at + 4).IndexOf("PK\u0001\u0002"u8);
        return at;
    }

    private static int Local(byte[] file, int entry) => (int)BinaryPrimitives.ReadUInt32LittleEndian(file.AsSpan(Directory(file, entry) + 42));
}
