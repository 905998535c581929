using System.Text.Json;

namespace FilterPruning.Zoo;

/// <summary>
/// The networks are torchvision's: with all weights and the input given by a formula, they answer the same. Numbers and formula: tests/fixtures/zoo/make_classification.py.
/// </summary>
public sealed class TorchvisionAnswersTests
{
    private const long Prime = 2147483647;

    /// <summary>A hundred layers of float32 sums in another order: some 10⁻⁵ of the largest answer. Another epsilon in one norm shifts it by more than 10⁻³.</summary>
    private const double Tolerance = 1e-4;

    private static readonly Dictionary<string, JsonElement> Answers = Read();

    public static TheoryData<string> Names => [.. Answers.Keys];

    [Theory]
    [MemberData(nameof(Names))]
    public void AModelAnswersAsTheOriginal(string name)
    {
        using var scope = NewDisposeScope();
        using var guard = no_grad();
        var answer = Answers[name];
        using var model = ZooCatalogue.All[name].Create();
        model.eval();
        var index = 0;
        foreach (var (key, value) in model.named_parameters()) Fill(key, value, index++);
        index = 1000;
        foreach (var (key, value) in model.named_buffers().Where(entry => !entry.name.EndsWith("num_batches_tracked", StringComparison.Ordinal))) Fill(key, value, index++);
        var size = answer.GetProperty("size").GetInt64();
        var image = ((Noise([2, 3, size, size], -1) * 4) - 2).to(float32);

        var logits = model is nn.Module<Tensor, Tensor> plain ? plain.call(image) : ((nn.Module<Tensor, (Tensor, Tensor?, Tensor?)>)model).call(image).Item1;

        var expected = tensor(answer.GetProperty("first").EnumerateArray().Select(number => number.GetSingle()).ToArray()).view(2, 4);
        var error = (logits.narrow(1, 0, 4) - expected).abs().max().item<float>() / answer.GetProperty("scale").GetDouble();
        Assert.InRange(error, 0, Tolerance);
    }

    /// <summary>Numbers in [0, 1), by integer arithmetic alone.</summary>
    private static Tensor Noise(long[] shape, long index)
    {
        using var scope = NewDisposeScope();
        var place = arange(shape.Aggregate(1L, (count, length) => count * length), dtype: int64);
        var mixed = place.mul(1103515245).add_((index + 1) * 1299709).remainder_(Prime);
        mixed = mixed.mul_(mixed).add_(place).remainder_(Prime);
        mixed = mixed.mul_(mixed).remainder_(Prime);
        return mixed.to(float64).div_(Prime).reshape(shape).MoveToOuterDisposeScope();
    }

    private static void Fill(string name, Tensor value, long index)
    {
        using var scope = NewDisposeScope();
        var noise = Noise(value.shape, index);
        var isScale = name.EndsWith("running_var", StringComparison.Ordinal) || value.dim() == 3 || (value.dim() == 1 && name.EndsWith("weight", StringComparison.Ordinal));
        var filled = isScale ? noise + 0.5 : value.dim() == 1 ? (noise - 0.5) * 0.5 : ((noise * 2) - 1) * Math.Sqrt(6.0 * value.shape[0] / value.numel());
        value.copy_(filled);
    }

    private static Dictionary<string, JsonElement> Read()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            var path = Path.Combine(folder.FullName, "tests", "fixtures", "zoo", "classification.json");
            if (File.Exists(path)) return JsonSerializer.Deserialize<Dictionary<string, JsonElement>>(File.ReadAllText(path))!;
        }
        throw new FileNotFoundException("There is no tests/fixtures/zoo/classification.json above " + AppContext.BaseDirectory);
    }
}
