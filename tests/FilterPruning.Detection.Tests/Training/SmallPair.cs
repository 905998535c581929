using FilterPruning.Criteria;
using FilterPruning.Detection.Data;
using FilterPruning.Detection.Models;
using FilterPruning.Detection.Tests.ModelTests;
using FilterPruning.Detection.Training;
using FilterPruning.Graph;
using FilterPruning.Planning;
using FilterPruning.Surgery;

namespace FilterPruning.Detection.Tests.Training;

/// <summary>A small detector with frozen norms, and the same after a cut.</summary>
internal sealed class SmallPair : IDisposable
{
    public SmallPair(double ratio = 0.4, long seed = 3)
    {
        Options = Small.Options with { BoxBatchSizePerImage = 16, RpnBatchSizePerImage = 32, Seed = seed, TrainableLayers = 5 };
        Teacher = MaskRcnn.ResNet18Fpn(6, Options);
        Student = MaskRcnn.ResNet18Fpn(6, Options);
        Teacher.eval();
        Plan = ratio > 0 ? Cut(Student, ratio) : null;
    }

    public MaskRcnnOptions Options { get; }

    public MaskRcnnModel Teacher { get; }

    public MaskRcnnModel Student { get; }

    public PruningPlan? Plan { get; }

    public DistillationTeacher Known => new(Teacher, Plan);

    /// <summary>Cuts a model and gives the plan.</summary>
    public static PruningPlan Cut(MaskRcnnModel model, double ratio, int seed = 1)
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(1);
        var image = rand([3, 64, 64], generator: generator);
        var graph = DependencyGraph.Trace(model, m => m.Detect([image]));
        var plan = PruningPlanner.CreatePlan(graph, new PruningOptions { Ratio = ratio, Criterion = new RandomCriterion(seed) });
        using var cut = Surgeon.Apply(graph, plan);
        return plan;
    }

    /// <summary>Scenes of 64 pixels.</summary>
    public static ShapeScenes Scenes(int count, int seed = 3) => ShapeScenes.Create(count, seed, new ShapeScenesOptions { Width = 64, Height = 64, MaxObjects = 3 });

    public void Dispose()
    {
        Teacher.Dispose();
        Student.Dispose();
    }
}
