using FilterPruning.Detection.Data;
using FilterPruning.Detection.Evaluation;
using FilterPruning.Detection.Models;
using FilterPruning.Reliability.Leaks;

namespace FilterPruning.Detection.Tests.Reliability;

/// <summary>An evaluation that is cancelled after any picture leaves the model as it was.</summary>
public class EvaluationCancellationTests
{
    [Fact]
    public void Flags_weights_and_random_state_are_as_before()
    {
        using var model = MaskRcnn.ResNet18Fpn(6, TinyDetector.Options with { Norm = BackboneNorm.Live });
        model.train();
        model.Rpn.eval();
        var data = ShapeScenes.Create(3, 0);
        var before = State(model);
        for (var pictures = 1; pictures <= 3; pictures++)
        {
            using var stop = new CancellationTokenSource();
            var stopAt = pictures;
            var error = Record.Exception(() => DetectionEvaluator.Evaluate(model, data, null, new Told(done =>
            {
                if (done == stopAt)
                    stop.Cancel();
            }), stop.Token));
            Assert.IsAssignableFrom<OperationCanceledException>(error);
            Assert.Equal(before, State(model));
        }
    }

    private static List<string> State(MaskRcnnModel model)
    {
        using var scope = NewDisposeScope();
        return
        [
            .. model.named_modules().Select(entry => $"{entry.name} {entry.module.training}"),
            .. model.state_dict().Select(entry => $"{entry.Key} {Convert.ToHexString(System.Security.Cryptography.SHA256.HashData(entry.Value.detach().contiguous().bytes))}"),
            Convert.ToHexString(System.Security.Cryptography.SHA256.HashData(get_rng_state().bytes)),
            $"{model.training}",
        ];
    }

    private sealed class Told(Action<int> done) : IProgress<EvaluationProgress>
    {
        public void Report(EvaluationProgress value) => done(value.Done);
    }
}
