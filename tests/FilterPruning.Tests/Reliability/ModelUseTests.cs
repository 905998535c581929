using FilterPruning.Graph;
using FilterPruning.Inference;
using FilterPruning.Planning;
using FilterPruning.Surgery;
using FilterPruning.Tests.Recovery;
using FilterPruning.Tests.Surgery;

namespace FilterPruning.Tests.Reliability;

/// <summary>A model that is changed while it runs elsewhere is noticed, and nothing has happened to it.</summary>
public class ModelUseTests
{
    [Fact]
    public async Task Runs_do_not_disturb_each_other_and_a_change_waits_for_none_of_its_own()
    {
        using var model = nn.Sequential(nn.Linear(2, 2));
        using (ModelUse.Run(model))
        using (ModelUse.Run(model))
        {
        }

        using var change = ModelUse.Change(model, "a test");
        using (ModelUse.Run(model))
        using (ModelUse.Change(model, "a part of it"))
        {
            // What a change starts belongs to it, on whatever thread.
            OnAnotherThread(() => ModelUse.Run(model).Dispose());
            await Task.Run(() => ModelUse.Run(model).Dispose(), TestContext.Current.CancellationToken);
        }
    }

    [Fact]
    public void A_run_or_a_change_beside_a_change_is_refused_by_its_name()
    {
        using var model = nn.Sequential(nn.Linear(2, 2));
        using (ModelUse.Change(model, "a first thing"))
        {
            Assert.Contains("a first thing", Refused(() => ModelUse.Run(model)).Message, StringComparison.Ordinal);
            Assert.Contains("A second thing", Refused(() => ModelUse.Change(model, "a second thing")).Message, StringComparison.Ordinal);
        }

        OnAnotherThread(() => ModelUse.Change(model, "another").Dispose());
        ModelUse.Run(model).Dispose();
    }

    [Fact]
    public void A_change_of_a_module_around_a_running_one_is_refused_and_leaves_no_trace()
    {
        using var inner = nn.Sequential(nn.Linear(2, 2));
        using var other = nn.Linear(2, 2);
        using var outer = nn.Sequential(("other", other), ("inner", inner));
        using (ModelUse.Run(inner))
        {
            Assert.Contains("running", Refused(() => ModelUse.Change(outer, "a cut")).Message, StringComparison.Ordinal);
            // What was taken before the running module was met is free again.
            OnAnotherThread(() => ModelUse.Change(other, "another").Dispose());
        }

        ModelUse.Change(outer, "a cut").Dispose();
    }

    [Theory]
    [InlineData("trace")]
    [InlineData("cut")]
    [InlineData("undo")]
    [InlineData("fold")]
    [InlineData("unfold")]
    [InlineData("repair")]
    public void Whatever_changes_a_model_is_refused_while_it_runs(string what)
    {
        var net = RepairCase.Norms();
        using var input = RepairCase.Noise(1);
        using var cut = what == "undo" ? Surgeon.Apply(net.Graph, net.Plan) : null;
        using var folded = what == "unfold" ? NormFolding.Apply(net.Graph) : null;
        var before = State.Of(net.Model);
        using (ModelUse.Run(net.Model))
        {
            Refused(() =>
            {
                switch (what)
                {
                    case "trace": DependencyGraph.Trace(net.Model, input); break;
                    case "cut": Surgeon.Apply(net.Graph, net.Plan); break;
                    case "undo": cut!.Undo(); break;
                    case "fold": NormFolding.Apply(net.Graph); break;
                    case "unfold": folded!.Undo(); break;
                    default: FilterPruning.Recovery.LeastSquaresRepair.Apply(net.Model, net.Graph, net.Plan, RepairCase.Inputs(1)); break;
                }
            });
        }

        before.AssertSame(net.Model);
        cut?.Undo();
        folded?.Undo();
        using var again = Surgeon.Apply(net.Graph, net.Plan);
    }

    private static InvalidOperationException Refused(Action action)
    {
        InvalidOperationException? refusal = null;
        OnAnotherThread(() => refusal = Assert.Throws<InvalidOperationException>(action), flow: false);
        return refusal!;
    }

    private static void OnAnotherThread(Action action, bool flow = true)
    {
        Exception? failure = null;
        var thread = new Thread(() =>
        {
            try
            {
                action();
            }
            catch (Exception error)
            {
                failure = error;
            }
        });
        if (flow)
            thread.Start();
        else
            thread.UnsafeStart(); // a thread of another part of the program, which inherits nothing
        thread.Join();
        Assert.Null(failure);
    }
}
