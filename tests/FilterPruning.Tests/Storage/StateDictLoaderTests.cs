using FilterPruning.Storage;
using static FilterPruning.Tests.Storage.PthFixtures;
using static TorchSharp.torch.nn;

namespace FilterPruning.Tests.Storage;

public sealed class StateDictLoaderTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly DisposeScope _scope = NewDisposeScope();

    public void Dispose()
    {
        _scope.Dispose();
        _folder.Dispose();
    }

    // The net of make_pth.py.
    private static Module<Tensor, Tensor> Net() => Sequential(("conv", Conv2d(3, 2, 2)), ("bn", BatchNorm2d(2)));

    private static Dictionary<string, Tensor> Copy(nn.Module module) => module.state_dict().ToDictionary(pair => pair.Key, pair => pair.Value.detach().clone());

    private static void AssertSame(IReadOnlyDictionary<string, Tensor> expected, nn.Module module)
    {
        var actual = module.state_dict();
        Assert.Equal(expected.Keys, actual.Keys);
        foreach (var (name, tensor) in expected)
            Assert.True(tensor.equal(actual[name]).all().item<bool>(), name);
    }

    private static void AssertFixture(nn.Module module)
    {
        foreach (var (name, tensor) in module.state_dict())
            Assert.True(Values(tensor.dtype, tensor.shape).equal(tensor).all().item<bool>(), name);
    }

    [Theory]
    [InlineData("dense.pth", "")]
    [InlineData("nested.pth", "model.")]
    [InlineData("data_parallel.pth", "state_dict.module.")]
    public void A_checkpoint_is_loaded_from_whatever_container_it_lies_in(string name, string prefix)
    {
        var net = Net();
        var report = StateDictLoader.Load(net, Fixture(name));
        AssertFixture(net);
        Assert.Equal(prefix, report.Prefix);
        Assert.Equal(net.state_dict().Keys, report.Loaded);
        Assert.Empty(report.Missing);
        Assert.Empty(report.Unexpected);
        Assert.All(report.Ignored, ignored => Assert.False(ignored.StartsWith(prefix, StringComparison.Ordinal)));
    }

    [Fact]
    public void A_name_that_fits_as_it_is_keeps_its_prefix()
    {
        var wrapped = Sequential(("model", Sequential(("conv", Conv2d(3, 2, 2)))));
        var report = StateDictLoader.Load(wrapped, Copy(wrapped));
        Assert.Equal("", report.Prefix);
        Assert.Equal(["model.conv.bias", "model.conv.weight"], report.Loaded.Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Tensors_are_filled_in_place_and_stay_the_same_objects()
    {
        var (source, target) = (Net(), Net());
        var weight = (TorchSharp.Modules.Parameter)target.state_dict()["conv.weight"];
        var address = weight.bytes.Length > 0 ? weight.data<float>() : null;
        StateDictLoader.Load(target, source.state_dict());
        AssertSame(Copy(source), target);
        Assert.Same(weight, target.state_dict()["conv.weight"]);
        Assert.Equal(source.state_dict()["conv.weight"][1, 2, 1, 1].item<float>(), address![23]);
        Assert.True(weight.requires_grad);
        Assert.True(weight.is_leaf);
    }

    [Theory]
    [InlineData(ScalarType.Float16)]
    [InlineData(ScalarType.BFloat16)]
    [InlineData(ScalarType.Float64)]
    public void Floating_types_are_cast_to_the_modules(ScalarType type)
    {
        var (source, target) = (Net(), Net());
        var stored = Copy(source).ToDictionary(pair => pair.Key, pair => pair.Value.is_floating_point() ? pair.Value.to(type) : pair.Value);
        SafetensorsFile.Write(_folder["a"], stored);
        StateDictLoader.Load(target, _folder["a"]);
        AssertSame(stored.ToDictionary(pair => pair.Key, pair => pair.Value.is_floating_point() ? pair.Value.to(ScalarType.Float32) : pair.Value), target);
        Assert.Equal(ScalarType.Float32, target.state_dict()["conv.weight"].dtype);

        var error = Assert.Throws<StateDictException>(() => StateDictLoader.Load(target, _folder["a"], new StateDictOptions { AllowCast = false }));
        Assert.Contains("conv.weight", error.Mismatched);
    }

    [Fact]
    public void A_cast_that_loses_numbers_is_refused()
    {
        var net = Net();
        var stored = Copy(net);
        stored["conv.bias"] = ones(2, ScalarType.Int64);
        stored["bn.num_batches_tracked"] = tensor(3f);
        Assert.Equal(["bn.num_batches_tracked", "conv.bias"], Assert.Throws<StateDictException>(() => StateDictLoader.Load(net, stored)).Mismatched.Order(StringComparer.Ordinal));
        stored["conv.bias"] = ones(2);
        stored["bn.num_batches_tracked"] = tensor(3);
        StateDictLoader.Load(net, stored);
        Assert.Equal(3L, net.state_dict()["bn.num_batches_tracked"].item<long>());
    }

    [Fact]
    public void Every_difference_is_listed_at_once_and_the_module_is_unchanged()
    {
        var net = Net();
        var before = Copy(net);
        var stored = Copy(Net());
        stored.Remove("conv.weight");
        stored["conv.wieght"] = ones(2, 3, 2, 2);
        stored["extra"] = ones(1);
        stored["bn.bias"] = ones(3);
        var error = Assert.Throws<StateDictException>(() => StateDictLoader.Load(net, stored));
        Assert.Equal(["conv.weight"], error.Missing);
        Assert.Equal(["conv.wieght", "extra"], error.Unexpected);
        Assert.Equal(["bn.bias"], error.Mismatched);
        Assert.Contains("\"conv.weight\" (it has \"conv.wieght\")", error.Message, StringComparison.Ordinal);
        Assert.Contains("\"bn.bias\" is [2] in the module and [3] in the source", error.Message, StringComparison.Ordinal);
        AssertSame(before, net);
    }

    [Fact]
    public void A_long_list_is_cut_with_its_count()
    {
        var stored = Copy(Net());
        for (var i = 0; i < 50; i++)
            stored[$"extra{i}"] = ones(1);
        var error = Assert.Throws<StateDictException>(() => StateDictLoader.Load(Net(), stored));
        Assert.Equal(50, error.Unexpected.Count);
        Assert.Contains("(50)", error.Message, StringComparison.Ordinal);
        Assert.Contains("and 30 more", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Without_strict_what_fits_is_loaded_and_the_rest_reported()
    {
        var net = Net();
        var stored = new Dictionary<string, Tensor> { ["conv.bias"] = full(2, 7f), ["extra"] = ones(1) };
        var report = StateDictLoader.Load(net, stored, new StateDictOptions { Strict = false });
        Assert.Equal(["conv.bias"], report.Loaded);
        Assert.Equal(["extra"], report.Unexpected);
        Assert.Equal(6, report.Missing.Count);
        Assert.Equal([7f, 7f], net.state_dict()["conv.bias"].data<float>().ToArray());
    }

    [Fact]
    public void Without_strict_another_shape_or_no_match_at_all_is_still_an_error()
    {
        var loose = new StateDictOptions { Strict = false };
        Assert.Throws<StateDictException>(() => StateDictLoader.Load(Net(), new Dictionary<string, Tensor> { ["conv.bias"] = ones(3) }, loose));
        Assert.Throws<StateDictException>(() => StateDictLoader.Load(Net(), new Dictionary<string, Tensor> { ["a"] = ones(3) }, loose));
        Assert.Throws<StateDictException>(() => StateDictLoader.Load(Net(), new Dictionary<string, Tensor>(), loose));
    }

    [Fact]
    public void Batch_counters_may_be_missing_on_either_side()
    {
        var net = Net();
        var stored = Copy(net);
        stored.Remove("bn.num_batches_tracked");
        stored["other.num_batches_tracked"] = tensor(1L);
        var report = StateDictLoader.Load(net, stored);
        Assert.Equal(["bn.num_batches_tracked"], report.Missing);
        Assert.Equal(["other.num_batches_tracked"], report.Unexpected);
    }

    [Fact]
    public void Names_are_renamed_or_set_aside_after_the_prefix()
    {
        var (source, target) = (Net(), Net());
        var stored = Copy(source).ToDictionary(pair => "net." + pair.Key.Replace("conv", "c", StringComparison.Ordinal), pair => pair.Value);
        stored["net.head"] = ones(1);
        var options = new StateDictOptions { Rename = name => name == "head" ? null : name.Replace("c.", "conv.", StringComparison.Ordinal) };
        var report = StateDictLoader.Load(target, stored, options);
        Assert.Equal("net.", report.Prefix);
        Assert.Equal(["net.head"], report.Ignored);
        AssertSame(Copy(source), target);
    }

    [Fact]
    public void A_given_prefix_sets_everything_else_aside()
    {
        var (source, target) = (Net(), Net());
        var stored = Copy(source).ToDictionary(pair => "teacher." + pair.Key, pair => pair.Value);
        foreach (var (name, value) in Copy(Net()))
            stored[name] = value;
        var report = StateDictLoader.Load(target, stored, new StateDictOptions { Prefix = "teacher." });
        Assert.Equal(7, report.Ignored.Count);
        AssertSame(Copy(source), target);
    }

    [Fact]
    public void Two_names_for_one_tensor_are_refused()
    {
        var stored = Copy(Net());
        stored["alias"] = ones(2);
        var options = new StateDictOptions { Rename = name => name == "alias" ? "conv.bias" : name };
        var error = Assert.Throws<StateDictException>(() => StateDictLoader.Load(Net(), stored, options));
        Assert.Contains("\"conv.bias\" and \"alias\"", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_file_that_breaks_off_while_it_is_read_leaves_the_module_unchanged()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Windows does not let another writer shorten an open file.");
        var net = Net();
        var before = Copy(net);
        SafetensorsFile.Write(_folder["a"], Net().state_dict());
        using var file = SafetensorsFile.Open(_folder["a"]);
        using (var other = new FileStream(_folder["a"], FileMode.Open, FileAccess.Write, FileShare.ReadWrite))
            other.SetLength(other.Length - 1);
        Assert.Throws<ModelFileException>(() => StateDictLoader.Load(net, file));
        AssertSame(before, net);
    }

    [Fact]
    public void Loading_keeps_no_tensor_and_disposes_none_it_was_given()
    {
        var net = Net();
        var stored = Copy(Net());
        StateDictLoader.Load(net, stored);
        var live = LiveTensors.Settled();
        StateDictLoader.Load(net, stored);
        Assert.Equal(live, Tensor.TotalCount);
        Assert.All(stored.Values, tensor => Assert.False(tensor.IsInvalid));
    }

    [Fact]
    public void A_module_saved_and_loaded_answers_the_same()
    {
        var (source, target) = (Net(), Net());
        var image = Values(ScalarType.Float32, 2, 3, 5, 5);
        source.call(image); // moves the running statistics
        SafetensorsFile.Write(_folder["a"], source.state_dict());
        StateDictLoader.Load(target, _folder["a"]);
        source.eval();
        target.eval();
        Assert.True(source.call(image).equal(target.call(image)).all().item<bool>());
    }
}
