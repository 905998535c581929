using System.Text.Json;
using FilterPruning.Criteria;
using FilterPruning.Graph;
using FilterPruning.Planning;
using FilterPruning.Tests.Tracing;

namespace FilterPruning.Tests.Surgery;

public class PrunerTests
{
    private static readonly Dictionary<string, (Func<Net> Build, int Size)> _nets = new()
    {
        ["chain"] = (Nets.Chain, 16),
        ["residual"] = (Nets.Residual, 16),
        ["concat"] = (Nets.Concat, 16),
        ["flatten"] = (Nets.Flatten, 16),
        ["gate"] = (Nets.SqueezeExcite, 16),
        ["shared"] = (Nets.SharedHead, 16),
        ["depthwise"] = (Nets.Depthwise, 16),
        ["grouped"] = (Nets.Grouped, 16),
    };

    public static TheoryData<string, PruningScope, double> Cases()
    {
        var cases = new TheoryData<string, PruningScope, double>();
        foreach (var name in _nets.Keys)
        {
            foreach (var ratio in new[] { 0.0, 0.3, 0.6, 0.95 })
                cases.Add(name, ratio == 0.3 ? PruningScope.Local : PruningScope.Global, ratio);
        }

        return cases;
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Any_net_is_pruned_and_proved_in_one_call(string name, PruningScope scope, double ratio)
    {
        using var tensors = NewDisposeScope();
        manual_seed(1);
        var net = _nets[name].Build();
        var example = rand(2, 3, _nets[name].Size, _nets[name].Size);
        var report = Pruner.Prune(net, example, new PruningOptions { Ratio = ratio, Scope = scope, Criterion = new RandomCriterion(3), VerifyTrace = true });

        Assert.InRange(report.ProofError, 0, 1e-5);
        Assert.Equal(report.Plan.Predicted, report.After);
        Assert.Equal(report.After, ModelCost.Measure(DependencyGraph.Trace(net, example)));
        Assert.Equal(report.After.Parameters, net.parameters().Sum(parameter => parameter.numel()));
        Assert.Equal(ratio > 0, report.After.Parameters < report.Before.Parameters);
        Assert.Equal(ratio > 0, report.After.Macs < report.Before.Macs);
        net.train();
        net.call(example).square().mean().backward();
        Assert.All(net.parameters().Where(parameter => parameter.grad is not null), parameter => Assert.Equal(parameter.shape, parameter.grad!.shape));
    }

    [Fact]
    public void A_report_tells_what_was_done()
    {
        using var scope = NewDisposeScope();
        var net = Nets.Chain();
        var report = Pruner.Prune(net, n => n.call(ones(1, 3, 16, 16)), new PruningOptions { Ratio = 0.5 });
        var json = JsonDocument.Parse(report.ToJson()).RootElement;
        Assert.Equal(report.Before.Parameters, json.GetProperty("parameters").GetProperty("before").GetInt64());
        Assert.Equal(report.After.Macs, json.GetProperty("macs").GetProperty("after").GetInt64());
        Assert.Equal(report.ProofError, json.GetProperty("proofError").GetDouble());
        Assert.True(json.GetProperty("seconds").GetDouble() > 0);
        Assert.Equal(["first:8:4", "norm:8:4", "last:5:5"], json.GetProperty("layers").EnumerateArray().Select(layer =>
            $"{layer.GetProperty("name").GetString()}:{layer.GetProperty("before").GetInt32()}:{layer.GetProperty("after").GetInt32()}"));
        Assert.Contains("ModelOutput", report.Layers[2].Skipped, StringComparison.Ordinal);

        // 8 -> 4 filters of 3 x 3 x 3 and a bias, a norm, 5 filters of 4 x 3 x 3 and a bias, on 16 x 16 positions
        Assert.Equal(new Cost((4 * 28) + (2 * 4) + (5 * 37), 256 * ((4 * 27) + (5 * 36))), report.After);
        Assert.Contains("8 -> 4", report.ToText(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_model_in_half_precision_is_proved_within_its_own_precision()
    {
        using var scope = NewDisposeScope();
        var net = Nets.Residual();
        net.to(ScalarType.BFloat16);
        var example = rand(2, 3, 16, 16).to(ScalarType.BFloat16);
        var report = Pruner.Prune(net, example, new PruningOptions { Ratio = 0.5 });
        Assert.InRange(report.ProofError, 0, 5e-2);
        Assert.All(net.parameters(), parameter => Assert.Equal(ScalarType.BFloat16, parameter.dtype));
    }

    [Fact]
    public void A_refused_option_is_refused_before_the_model_is_run()
    {
        using var scope = NewDisposeScope();
        var net = Nets.Chain();
        Assert.Throws<PruningOptionsException>(() => Pruner.Prune(net, _ => throw new InvalidOperationException("was run"), new PruningOptions { Ratio = 2 }));
    }
}
