using FilterPruning.Tracing;

namespace FilterPruning.Tests.Tracing;

public class ReturnedTensorsTests
{
    private sealed record Answer(Tensor Boxes, string Name, Answer? Inner = null)
    {
        public Tensor Masks { get; init; } = ones(1);

        // Only properties of the instance are looked at.
        [System.Diagnostics.CodeAnalysis.SuppressMessage("Performance", "CA1822", Justification = "Stands for a property that throws on an instance.")]
        public Tensor Broken => throw new InvalidOperationException();
    }

    [Fact]
    public void Tensors_are_found_in_everything_a_model_may_return()
    {
        using var scope = NewDisposeScope();
        var t = Enumerable.Range(0, 9).Select(i => full([1], i)).ToArray();
        var returned = new object?[]
        {
            t[0],
            (t[1], "text", 3),
            new Dictionary<string, Tensor> { ["a"] = t[2] },
            new List<Tensor[]> { new[] { t[3], t[4] } },
            new Answer(t[5], "name", new Answer(t[6], "inner") { Masks = t[7] }) { Masks = t[8] },
            null,
            new float[100],
        };
        Assert.Equal(Enumerable.Range(0, 9), ReturnedTensors.In(returned).Select(tensor => (int)tensor.item<long>()).Order());
    }

    [Fact]
    public void A_tensor_returned_twice_is_found_once_and_cycles_end()
    {
        using var t = ones(1);
        var list = new List<object> { t, t };
        list.Add(list);
        Assert.Single(ReturnedTensors.In(list));
    }
}
