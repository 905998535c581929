using FilterPruning.Detection.Models;
using FilterPruning.Planning;

namespace FilterPruning.Detection.Training;

/// <summary>
/// The model that a pruned one learns from, usually itself before it was pruned, and which of its pyramid's channels the student still has. A pruned pyramid holds a known subset of the teacher's
/// channels, in their order, so that features are compared channel by channel and no layer has to be learned in between to match widths.
/// </summary>
/// <remarks>Holds the model, does not own it. Nothing ever changes the teacher: it runs in evaluation mode without gradients, and gets its modes back.</remarks>
public sealed class DistillationTeacher
{
    private const string Pyramid = "backbone.fpn.layer_blocks";
    private const int Levels = 4;

    private readonly PruningPlan? _studentPlan;
    private readonly PruningPlan? _teacherPlan;

    /// <summary>Describes a teacher.</summary>
    /// <param name="model">The teacher; must have the student's classes, anchors and image normalisation.</param>
    /// <param name="studentPlan">What was cut to get the student, as in its file (<see cref="DetectorFile.ReadPlan"/>); null where it is as wide as the teacher, or no relative of it.</param>
    /// <param name="teacherPlan">For a teacher that was pruned itself, what was cut to get it, from the same model as the student's plan starts from; null for a dense one.</param>
    public DistillationTeacher(MaskRcnnModel model, PruningPlan? studentPlan = null, PruningPlan? teacherPlan = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        (Model, _studentPlan, _teacherPlan) = (model, studentPlan, teacherPlan);
    }

    /// <summary>The teacher.</summary>
    public MaskRcnnModel Model { get; }

    /// <summary>The channels of the teacher's pyramid that a student has, ascending.</summary>
    /// <exception cref="ArgumentException">The plans do not lead from the teacher's pyramid to the student's; the message says where.</exception>
    internal int[] KeptChannels(MaskRcnnModel student)
    {
        int[]? kept = null;
        for (int level = 0; level < Levels; level++)
        {
            string layer = $"{Pyramid}.{level}.0";
            int[] here = KeptOf(layer, Width(student, layer), Width(Model, layer));
            // The heads read all levels, so a cut takes the same channels from each.
            if (kept is not null && !here.SequenceEqual(kept))
                throw new ArgumentException($"The student kept other channels of '{layer}' than of '{Pyramid}.0.0'; all levels must keep the same. Give the plan that the student's file holds.");
            kept = here;
        }

        return kept!;
    }

    /// <summary>What must agree for outputs to be comparable, in words; empty when all is well.</summary>
    internal IEnumerable<string> Mismatches(MaskRcnnModel student)
    {
        (MaskRcnnOptions mine, MaskRcnnOptions its) = (student.Options, Model.Options);
        if (ReferenceEquals(student, Model))
            yield return "  The teacher is the student itself; give the model it was pruned from, loaded anew.";
        if (student.NumClasses != Model.NumClasses)
            yield return $"  The teacher has {Model.NumClasses} classes (the background included), the student {student.NumClasses}; they must have the same.";
        if (!mine.AnchorSizes.Zip(its.AnchorSizes).All(level => level.First.SequenceEqual(level.Second)) || !mine.AspectRatios.SequenceEqual(its.AspectRatios))
            yield return "  The teacher's anchors are not the student's; they must be the same.";
        if (!mine.ImageMean.SequenceEqual(its.ImageMean) || !mine.ImageStd.SequenceEqual(its.ImageStd))
            yield return "  The teacher normalises images in another way than the student; both see one batch, so ImageMean and ImageStd must be the same.";
        if (!mine.BoxRegWeights.SequenceEqual(its.BoxRegWeights))
            yield return "  The teacher's BoxRegWeights are not the student's; they must be the same.";
        if (student.parameters().First().device_type != Model.parameters().First().device_type)
            yield return "  Teacher and student are on different devices; move one of them.";
    }

    private int[] KeptOf(string layer, int width, int teacherWidth)
    {
        int[] its = Channels(_teacherPlan, layer) ?? [.. Enumerable.Range(0, teacherWidth)];
        int[] mine = Channels(_studentPlan, layer) ?? its;
        if (its.Length != teacherWidth)
            throw new ArgumentException($"The teacher's '{layer}' is {teacherWidth} channels wide, by its plan {its.Length}. Give the plan that the teacher's file holds, or none for a dense one.");
        if (mine.Length != width)
        {
            throw new ArgumentException(
                $"The student's pyramid ('{layer}') is {width} channels wide, {(_studentPlan is null ? "the teacher's" : "by its plan")} {mine.Length}, so it is not known which of the teacher's channels it has. "
                + "Give the plan that the student's file holds, or set Distillation.Features to 0.");
        }

        int[] places = [.. mine.Select(channel => Array.BinarySearch(its, channel))];
        return places.All(place => place >= 0)
            ? places
            : throw new ArgumentException($"The student kept channels of '{layer}' that the teacher lost, for instance {mine[Array.FindIndex(places, place => place < 0)]}. Give a teacher that lost less, or set Distillation.Features to 0.");
    }

    private static int[]? Channels(PruningPlan? plan, string layer)
    {
        if (plan is null)
            return null;
        LayerPlan found = plan.Find(layer) ?? throw new ArgumentException($"The plan has no layer '{layer}'. Give the plan of a Mask R-CNN with a feature pyramid.");
        var removed = found.RemovedOutputs.ToHashSet();
        return [.. Enumerable.Range(0, found.OutputChannels).Where(channel => !removed.Contains(channel))];
    }

    private static int Width(MaskRcnnModel model, string layer) => (int)model.get_parameter(layer + ".weight")!.shape[0];
}
