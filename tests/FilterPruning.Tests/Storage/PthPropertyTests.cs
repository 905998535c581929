using CsCheck;
using FilterPruning.Storage;
using static FilterPruning.Tests.Storage.PthFixtures;

namespace FilterPruning.Tests.Storage;

public sealed class PthPropertyTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private bool IsRefused(byte[] content)
    {
        try
        {
            using var scope = NewDisposeScope();
            using var file = PthFile.Open(_folder.Write("damaged.pth", content));
            foreach (var name in file.Names)
                file.Read(name);
            return false;
        }
        catch (ModelFileException)
        {
            return true;
        }
    }

    [Theory]
    [InlineData("dense.pth")]
    [InlineData("views.pth")]
    [InlineData("nested.pth")]
    [InlineData("protocol4.pth")]
    public void A_damaged_file_is_read_or_refused_and_nothing_else(string name)
    {
        var valid = File.ReadAllBytes(Fixture(name));
        Assert.False(IsRefused(valid));
        var refused = 0;
        Gen.Select(Gen.Select(Gen.Int[0, valid.Length - 1], Gen.Byte).Array[1, 3], Gen.Int[-valid.Length, valid.Length]).Sample(
            (flips, cut) =>
            {
                var content = valid.ToArray();
                foreach (var (at, value) in flips)
                    content[at] = value;
                refused += IsRefused(cut < 0 ? content : content[..cut]) ? 1 : 0;
            },
            iter: 400,
            threads: 1);
        Assert.InRange(refused, 100, 400);
    }

    [Fact]
    public void A_damaged_pickle_is_read_or_refused_and_nothing_else()
    {
        byte[] pickle;
        using (var zip = System.IO.Compression.ZipFile.OpenRead(Fixture("nested.pth")))
        using (var stream = zip.GetEntry("nested/data.pkl")!.Open())
        using (var memory = new MemoryStream())
        {
            stream.CopyTo(memory);
            pickle = memory.ToArray();
        }

        var limits = new PthLimits();
        var refused = 0;
        Gen.Select(Gen.Int[0, pickle.Length - 1], Gen.Byte).Array[1, 4].Sample(
            flips =>
            {
                var content = pickle.ToArray();
                foreach (var (at, value) in flips)
                    content[at] = value;
                try
                {
                    // Whatever size is claimed, the storage has it: the check of sizes must not hide what comes behind it.
                    var root = Unpickler.Read(content, "x", limits, storage => storage.Count * SafetensorsDTypes.SizeOf(storage.DType));
                    PthTensorWalk.Find(root, "x", limits);
                }
                catch (ModelFileException)
                {
                    refused++;
                }
            },
            iter: 20000,
            threads: 1);
        Assert.InRange(refused, 1000, 20000);
    }
}
