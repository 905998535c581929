using CsCheck;
using FilterPruning.Criteria;
using FilterPruning.Graph;
using FilterPruning.Planning;
using FilterPruning.Surgery;
using FilterPruning.Tests.Tracing;
using F = TorchSharp.torch.nn.functional;

namespace FilterPruning.Tests.Surgery;

/// <summary>Nets of random shape: whatever the tracer finds in them, the cut must leave a working model that equals its masked self.</summary>
public class RandomNetTests
{
    internal enum Step { Plain, Residual, Concat, Norm, Gate, Depthwise }

    internal static readonly Gen<(Step Kind, int Width)[]> Steps = Gen.Select(Gen.Enum<Step>(), Gen.Int[2, 9]).Array[2, 6];

    [Fact]
    public void A_random_net_survives_a_random_cut()
        => Gen.Select(Steps, Gen.Double[0, 0.95], Gen.Bool, Gen.Int[1, 4]).Sample(
            (steps, ratio, global, multiple) => Check(steps, Math.Round(ratio, 2), global, multiple), iter: 12, threads: 1, seed: "0N0XIzNsQ0O2");

    private static void Check((Step Kind, int Width)[] steps, double ratio, bool global, int multiple)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var net = Build(steps);
        var example = rand(1, 3, 6, 6);
        var graph = DependencyGraph.Trace(net, example);
        var plan = PruningPlanner.CreatePlan(graph, new PruningOptions
        {
            Ratio = ratio,
            Scope = global ? PruningScope.Global : PruningScope.Local,
            ChannelMultiple = multiple,
            Criterion = new RandomCriterion(1),
        });
        Assert.Equal(plan.ToJson(), PruningPlan.FromJson(plan.ToJson()).ToJson());
        var before = net.state_dict().ToDictionary(entry => entry.Key, entry => entry.Value.clone());

        using var cut = Surgeon.Apply(graph, plan);
        Assert.InRange(cut.ProofError, 0, 1e-5);
        Assert.Equal(plan.Predicted, ModelCost.Measure(graph));
        Assert.Equal(plan.Predicted.Parameters, net.parameters().Sum(parameter => parameter.numel()));
        net.eval();
        Assert.Equal([1, 4, 6, 6], net.call(example).shape);

        cut.Undo();
        Assert.All(net.state_dict(), entry => Assert.True(entry.Value.equal(before[entry.Key]).all().item<bool>(), entry.Key));
    }

    internal static Net Build((Step Kind, int Width)[] steps)
    {
        var layers = new List<(string, nn.Module<Tensor, Tensor>)> { ("first", Nets.Conv(3, 6)) };
        var width = 6;
        var run = new List<Func<Net, Tensor, Tensor>>();
        for (var i = 0; i < steps.Length; i++)
        {
            var (kind, next) = steps[i];
            var name = $"layer{i}";
            switch (kind)
            {
                case Step.Plain:
                    layers.Add((name, Nets.Conv(width, next)));
                    run.Add((net, x) => F.relu(net.Call(name, x)));
                    width = next;
                    break;
                case Step.Residual:
                    layers.Add((name, Nets.Conv(width, width)));
                    run.Add((net, x) => F.relu(net.Call(name, x) + x));
                    break;
                case Step.Concat:
                    layers.Add((name, Nets.Conv(width, next)));
                    run.Add((net, x) => cat([x, net.Call(name, x)], 1));
                    width += next;
                    break;
                case Step.Norm:
                    layers.Add((name, nn.BatchNorm2d(width)));
                    run.Add((net, x) => net.Call(name, x));
                    break;
                case Step.Gate:
                    layers.Add((name, Nets.Conv(width, width, 1)));
                    run.Add((net, x) => x * sigmoid(net.Call(name, x.mean([2, 3], true))));
                    break;
                default:
                    layers.Add((name, Nets.Conv(width, width, groups: width)));
                    run.Add((net, x) => net.Call(name, x));
                    break;
            }
        }

        layers.Add(("last", Nets.Conv(width, 4)));
        return new Net((net, x) => net.Call("last", run.Aggregate(F.relu(net.Call("first", x)), (value, step) => step(net, value))), [.. layers]);
    }
}
