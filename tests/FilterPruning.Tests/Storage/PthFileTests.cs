using System.Numerics;
using FilterPruning.Storage;
using static FilterPruning.Tests.Storage.PthFixtures;

namespace FilterPruning.Tests.Storage;

public class PthFileTests
{
    private static void AssertValues(PthFile file, string name, params long[] shape) => AssertValues(file, name, Values(file.Tensors[name].DType, shape));

    private static void AssertValues(PthFile file, string name, Tensor expected)
    {
        using var read = file.Read(name);
        Assert.Equal(expected.dtype, read.dtype);
        Assert.Equal(expected.shape, read.shape);
        Assert.True(read.equal(expected).all().item<bool>(), name);
    }

    [Fact]
    public void A_state_dict_is_read_in_its_order()
    {
        using var scope = NewDisposeScope();
        using var file = PthFile.Open(Fixture("dense.pth"));
        Assert.Equal(["conv.weight", "conv.bias", "bn.weight", "bn.bias", "bn.running_mean", "bn.running_var", "bn.num_batches_tracked"], file.Names);
        AssertValues(file, "conv.weight", 2, 3, 2, 2);
        AssertValues(file, "bn.running_var", 2);
        AssertValues(file, "bn.num_batches_tracked");
        Assert.Equal(ScalarType.Int64, file.Describe("bn.num_batches_tracked").DType);
        Assert.Equal([2, 3, 2, 2], file.Describe("conv.weight").Shape);
        Assert.Empty(file.Metadata);
    }

    [Theory]
    [InlineData("protocol3.pth")]
    [InlineData("protocol4.pth")]
    [InlineData("protocol5.pth")]
    public void Later_protocols_are_read(string name)
    {
        using var scope = NewDisposeScope();
        using var file = PthFile.Open(Fixture(name));
        AssertValues(file, "x", 3, 2);
        Assert.Equal(new byte[] { 0, 255 }, Assert.IsAssignableFrom<IReadOnlyDictionary<object, object?>>(file.Root)["bytes"]);
    }

    [Fact]
    public void Every_element_type_is_read()
    {
        using var scope = NewDisposeScope();
        using var file = PthFile.Open(Fixture("types.pth"));
        foreach (var (name, type) in new[]
        {
            ("float16", ScalarType.Float16), ("bfloat16", ScalarType.BFloat16), ("float32", ScalarType.Float32), ("float64", ScalarType.Float64), ("int8", ScalarType.Int8),
            ("uint8", ScalarType.Byte), ("int16", ScalarType.Int16), ("int32", ScalarType.Int32), ("int64", ScalarType.Int64), ("bool", ScalarType.Bool),
        })
        {
            AssertValues(file, name, Values(type, 2, 9));
        }

        AssertValues(file, "scalar");
        AssertValues(file, "empty", zeros(0, 3));
    }

    [Fact]
    public void Views_of_one_storage_are_read_as_what_they_show()
    {
        using var scope = NewDisposeScope();
        using var file = PthFile.Open(Fixture("views.pth"));
        var matrix = Values(ScalarType.Float32, 4, 6);
        AssertValues(file, "base", matrix);
        AssertValues(file, "transposed", matrix.t());
        AssertValues(file, "row", matrix[1]);
        AssertValues(file, "column", matrix[.., 2]);
        AssertValues(file, "steps", matrix[1..3].index(TensorIndex.Colon, TensorIndex.Slice(step: 2)));
        AssertValues(file, "permuted", Values(ScalarType.Float32, 2, 3, 4).permute(2, 0, 1));
        AssertValues(file, "channels_last", Values(ScalarType.Float32, 2, 3, 2, 2));
        Assert.Equal([1, 6], file.Tensors["transposed"].Strides);
        Assert.Equal(6, file.Tensors["row"].Offset);
        Assert.Equal(file.Tensors["base"].StorageKey, file.Tensors["steps"].StorageKey);
        Assert.True(file.Read("transposed").is_contiguous());
    }

    [Fact]
    public void An_expanded_tensor_takes_the_memory_of_its_storage_only()
    {
        using var scope = NewDisposeScope();
        using var file = PthFile.Open(Fixture("views.pth"));
        var read = file.Read("expanded");
        Assert.Equal([100_000, 100_000], read.shape);
        Assert.Equal([0, 0], read.stride());
        Assert.Equal(Values(ScalarType.Float32, 2)[1].item<float>(), read[99_999, 99_999].item<float>());
    }

    [Fact]
    public void A_checkpoint_is_a_tree_and_its_tensors_have_dotted_names()
    {
        using var scope = NewDisposeScope();
        using var file = PthFile.Open(Fixture("nested.pth"));
        var root = Assert.IsAssignableFrom<IReadOnlyDictionary<object, object?>>(file.Root);
        Assert.Equal(["model", "optimizer", "epoch", "note", "lr", "list", "tuple", "size", "dtype", "complex", "device", 7L], root.Keys);
        Assert.Equal(3L, root["epoch"]);
        Assert.Equal("größer", root["note"]);
        Assert.Equal(0.5, root["lr"]);
        Assert.Equal([1L, -1L, 300L, 70000L, -70000L, 1L << 40, BigInteger.Pow(2, 70), -BigInteger.Pow(2, 70)], Assert.IsAssignableFrom<IReadOnlyList<object?>>(root["tuple"]));
        Assert.Equal([2L, 3L], Assert.IsAssignableFrom<IReadOnlyList<object?>>(root["size"]));
        Assert.Equal(ScalarType.Float16, root["dtype"]);
        Assert.Equal("torch.complex64", root["complex"]);
        Assert.Equal("cuda:1", root["device"]);
        Assert.Equal("seven", root[7L]);

        var list = Assert.IsAssignableFrom<IReadOnlyList<object?>>(root["list"]);
        Assert.Equal([true, false, null], list.Take(3));
        Assert.Same(file.Tensors["list.3"], list[3]);
        AssertValues(file, "list.3", 2);
        AssertValues(file, "model.conv.weight", 2, 3, 2, 2);
        Assert.Equal([2, 3, 2, 2], file.Tensors["optimizer.state.0.momentum_buffer"].Shape);
    }

    [Fact]
    public void Parameters_are_tensors_that_know_whether_they_train()
    {
        using var scope = NewDisposeScope();
        using var file = PthFile.Open(Fixture("parameter.pth"));
        AssertValues(file, "p", 2, 2);
        AssertValues(file, "fixed", 3);
        Assert.True(file.Tensors["p"].RequiresGrad);
        Assert.False(file.Tensors["fixed"].RequiresGrad);
        Assert.False(file.Read("p").requires_grad);
    }

    [Fact]
    public void A_file_of_one_tensor_has_the_empty_name()
    {
        using var scope = NewDisposeScope();
        using var file = PthFile.Open(Fixture("tensor.pth"));
        Assert.Equal([""], file.Names);
        AssertValues(file, "", 5);
    }

    [Fact]
    public void Big_endian_storages_are_turned_round()
    {
        using var scope = NewDisposeScope();
        using var file = PthFile.Open(Fixture("big_endian.pth"));
        AssertValues(file, "f", 2, 3);
        AssertValues(file, "d", 3);
        AssertValues(file, "h", 4);
        AssertValues(file, "b", 3);
    }

    [Fact]
    public void Reading_leaves_no_tensor_behind_and_outlives_the_file()
    {
        var live = LiveTensors.Settled();
        Tensor kept;
        using (var file = PthFile.Open(Fixture("types.pth")))
        {
            foreach (var name in file.Names)
                file.Read(name).Dispose();
            kept = file.Read("float32");
        }

        Assert.Equal(live + 1, Tensor.TotalCount);
        Assert.Equal(18, kept.numel());
        kept.Dispose();
    }

    [Fact]
    public void An_unknown_name_is_refused_with_a_near_miss()
    {
        using var file = PthFile.Open(Fixture("dense.pth"));
        Assert.Contains("\"conv.bias\"", Assert.Throws<ArgumentException>(() => file.Read("conv.bais")).Message, StringComparison.Ordinal);
    }
}
