using FilterPruning.Graph;
using FilterPruning.Planning;
using static FilterPruning.Zoo.Net;
using F = TorchSharp.torch.nn.functional;

namespace FilterPruning.Zoo;

/// <summary>A check that cannot fail says nothing: each part is shown a model it must refuse.</summary>
public sealed class ZooCheckTests
{
    private static readonly ZooModel _right = Of((n, x) => n.Call("last", F.relu(n.Call("first", x))));

    private static readonly ZooModel _returned = _right with
    {
        Forward = model =>
        {
            var y = ((Net)model).Call("first", ones(2, 3, 8, 8));
            return (y, ((Net)model).Call("last", F.relu(y)));
        },
    };

    private static readonly ZooModel _mirrored = Of((n, x) =>
    {
        var y = n.Call("first", x);
        return n.Call("last", y + y.flip(1));
    });

    [Fact]
    public void A_right_model_passes()
    {
        var row = ZooCheck.Run(_right, ZooConfiguration.All);
        Assert.Equal(new Cost((8 * 28) + (5 * 73), 64 * 2 * ((8 * 27) + (5 * 72))), row.Before);
        Assert.Equal(new Cost((4 * 28) + (5 * 37), 64 * 2 * ((4 * 27) + (5 * 36))), row.After);
    }

    [Fact]
    public void Answers_of_another_shape_are_seen()
    {
        var wrong = _right with { Forward = model => (_right.Forward(model), zeros(((Net)model)["first"].get_parameter("weight")!.shape[0])) };
        Refused(wrong, "Local 0.5: ");
    }

    [Fact]
    public void Shapes_are_compared_but_for_the_number_of_answers()
    {
        using var scope = NewDisposeScope();
        var (boxes, fewer, other) = (Answers.In(new { Boxes = zeros(5, 4) }), Answers.In(new { Boxes = zeros(2, 4) }), Answers.In(new { Boxes = zeros(5, 3) }));
        Answers.SameShapes(boxes, boxes, countsVary: false);
        Answers.SameShapes(boxes, fewer, countsVary: true);
        Assert.Contains("result.Boxes was Float32 [5, 4] and is Float32 [2, 4]", Assert.Throws<ZooFailureException>(() => Answers.SameShapes(boxes, fewer, countsVary: false)).Message, StringComparison.Ordinal);
        Assert.Throws<ZooFailureException>(() => Answers.SameShapes(boxes, other, countsVary: true));
        Assert.Throws<ZooFailureException>(() => Answers.SameShapes(boxes, [.. boxes, .. boxes], countsVary: true));
    }

    [Fact]
    public void A_tensor_left_behind_is_seen()
    {
        var kept = new List<Tensor>();
        var forwards = 0;
        // What every forward leaves is the model's own affair.
        Refused(_right with { Forward = model => { if (++forwards > 4) kept.Add(zeros(1).DetachFromDisposeScope()); return _right.Forward(model); } }, "trace: tensors left behind");
        Assert.NotEmpty(kept);
        kept.ForEach(tensor => tensor.Dispose());
    }

    [Fact]
    public void A_weight_that_moves_is_seen()
    {
        var wrong = _right with
        {
            Forward = model =>
            {
                using (no_grad()) model.get_parameter("last.bias")!.add_(1);
                return _right.Forward(model);
            },
        };
        Refused(wrong, "trace: model as found: 'last.bias' has other values");
    }

    [Fact]
    public void A_layer_that_should_stay_and_may_go_is_seen() => Refused(_right with { Stays = [("first", "")] }, "stays: no output channel of 'first' stays");

    [Fact]
    public void A_reason_that_is_not_given_is_seen() => Refused(_right with { Stays = [("last", "embroidery")] }, "does not hold 'embroidery'");

    [Fact]
    public void A_fresh_model_of_another_architecture_is_seen()
    {
        var made = 0;
        var wrong = _right with { Create = () => made++ % 2 == 0 ? _right.Create() : new Net((n, x) => x, ("first", Conv(3, 8)), ("last", Conv(8, 6))) };
        Refused(wrong, "Local 0.25: save and load: ");
    }

    [Fact]
    public void A_model_that_cannot_be_trained_after_the_cut_is_seen()
    {
        var wrong = _right with
        {
            Loss = model => model.get_parameter("first.weight")!.shape[0] < 8 ? throw new InvalidOperationException("too narrow to train") : ((Tensor)_right.Forward(model)!).sum(),
        };
        Refused(wrong, "Global 0.75: train: too narrow to train");
    }

    [Fact]
    public void A_gradient_that_is_not_finite_is_seen() => Refused(_right with { Loss = model => ((Tensor)_right.Forward(model)!).sum().mul(0).sqrt() }, "train before the cut: the gradient of 'first.weight' is not finite");

    [Fact]
    public void Groups_that_changed_are_seen()
    {
        Changed(_right, _mirrored, "is tied to output channel");
        Changed(_mirrored, _right, "was tied to output channel");
        Changed(_right, _returned, "was free and is pinned now");
        Changed(_returned, _right, "and is free now");

        static void Changed(ZooModel before, ZooModel after, string says)
        {
            using var first = new ZooSubject(before);
            using var second = new ZooSubject(after);
            var plan = PruningPlanner.CreatePlan(first.Graph, new PruningOptions());
            RegroupCheck.Run(first.Graph, plan, first.Graph);
            Assert.Contains(says, Assert.Throws<ZooFailureException>(() => RegroupCheck.Run(first.Graph, plan, second.Graph)).Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Bits_are_compared_not_numbers()
    {
        using var scope = NewDisposeScope();
        Assert.True(ModelValues.SameBits(tensor(float.NaN), tensor(float.NaN)));
        Assert.False(ModelValues.SameBits(tensor(0f), tensor(-0f)));
        Assert.False(ModelValues.SameBits(zeros(2, 3), zeros(3, 2)));
        Assert.True(ModelValues.SameBits(arange(6).view(2, 3).t(), arange(6).view(2, 3).t().contiguous()));
    }

    private static ZooModel Of(Func<Net, Tensor, Tensor> forward) => ZooModel.Of("probe", () => new Net(forward, ("first", Conv(3, 8)), ("last", Conv(8, 5))), 2, 3, 8, 8);

    private static void Refused(ZooModel zoo, string says)
    {
        var failure = Assert.Throws<ZooFailureException>(() => ZooCheck.Run(zoo, ZooConfiguration.All));
        Assert.StartsWith("probe: ", failure.Message, StringComparison.Ordinal);
        Assert.Contains(says, failure.Message, StringComparison.Ordinal);
    }
}
