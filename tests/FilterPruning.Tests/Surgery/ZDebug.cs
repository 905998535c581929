using FilterPruning.Graph;
using FilterPruning.Tests.Tracing;
namespace FilterPruning.Tests.Surgery;
public class ZDebug
{
    [Fact]
    public void Dump()
    {
        using var s = NewDisposeScope();
        manual_seed(1);
        var net = Nets.Concat();
        var x = rand(2, 3, 16, 16);
        foreach (var g in new[] { DependencyGraph.Trace(net, x), DependencyGraph.Trace(net, n => n.call(x)) })
            foreach (var l in g.Layers)
                Console.WriteLine($"{l.Name} in [{string.Join(",", l.InputGroups)}] out [{string.Join(",", l.OutputGroups)}] pins {string.Join(",", l.OutputGroups.Concat(l.InputGroups).Select(i => g.Groups[i].Pin?.Reason.ToString() ?? "-"))}");
        var c = Nets.Chain();
        try { var a = DependencyGraph.Trace(c, x); Console.WriteLine("chain traced"); foreach (var l in a.Layers) foreach (var t in l.Rule.Tensors(l.Module)) Console.WriteLine($"{l.Name}.{t.Name} invalid {t.Tensor.IsInvalid} {t.Tensor.GetType().Name}"); } catch (Exception e) { Console.WriteLine(e); }
    }
}
