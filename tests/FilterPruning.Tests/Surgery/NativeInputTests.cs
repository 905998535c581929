using FilterPruning.Graph;
using FilterPruning.Planning;
using FilterPruning.Surgery;
using FilterPruning.Tests.Planning;

namespace FilterPruning.Tests.Surgery;

public class NativeInputTests
{
    [Theory]
    [InlineData("first")]   // the second layer loses inputs only
    [InlineData("second")]
    public void A_recurrent_layer_keeps_the_weights_that_a_cut_does_not_touch(string name)
    {
        using var net = new TrainedNet(null, TrainedNet.Recurrent(), [6, 7, 5]);
        net.Train();
        var before = net.Digest();
        var graph = DependencyGraph.Trace(net.Model, net.Example);
        var plan = PruningPlanner.CreatePlan(graph, new PruningOptions { LayerRatios = [new(name, 0.5)] });
        using var cut = Surgeon.Apply(graph, plan, new SurgeryOptions { Optimizers = [net.Optimizer] });
        Assert.InRange(cut.ProofError, 0, 1e-4);
        cut.Undo();
        Assert.Equal(before, net.Digest());
    }
}
