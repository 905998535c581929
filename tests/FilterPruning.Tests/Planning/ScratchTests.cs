using FilterPruning.Graph;
using FilterPruning.Planning;
using FilterPruning.Surgery;
namespace FilterPruning.Tests.Planning;
public class ScratchTests
{
    [Theory]
    [InlineData("first", "second")]
    [InlineData("second", "first")]
    [InlineData("second", "second")]
    [InlineData("first", "first")]
    [InlineData("", "second")]
    [InlineData("", "first")]
    public void X(string a, string b)
    {
        using var net = new TrainedNet(null, TrainedNet.Recurrent(), [6, 7, 5]);
        net.Train();
        net.Model.eval();
        var graph = DependencyGraph.Trace(net.Model, net.Example);
        foreach (var x in new[]{a,b}.Where(s=>s!=""))
        {
            var plan = PruningPlanner.CreatePlan(graph, new PruningOptions { LayerRatios = [new(x, 0.5)] });
            using var cut = Surgeon.Apply(graph, plan, new SurgeryOptions { Optimizers = [net.Optimizer] });
            cut.Undo();
        }
    }
}
