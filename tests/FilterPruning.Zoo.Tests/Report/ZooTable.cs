using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;

namespace FilterPruning.Zoo;

/// <summary>The page that says what was checked on which model, and what came out.</summary>
internal static class ZooTable
{
    private const string Introduction = $"""
        # The zoo: models that pruning is checked on

        This page is generated: `./build.sh zoo` checks every model and writes it anew. A *topology* is a small net with one awkward connection; the others are known
        architectures. Weights are random, from seed {SeedText}; nothing here says how accurate a pruned model is. None of the checks knows a model: each goes through the public
        API alone, and each holds for every model below.

        For each model, once:
        - Tracing leaves weights, buffers, gradients, training flags and the random state as they were, bit by bit, and leaves no tensor behind.
        - Every layer with channels that stay can say why.
        - A plan that removes a channel but not what is tied to it is refused; a forward that throws on the narrowed model takes the cut back. Either way the message names a layer, and the
          model's tensors and answers are what they were, bit by bit.

        For each model, with L1 scores, local and global (scores divided by their layer's mean), at ratios 0.25, 0.5 and 0.75:
        - The cut is made, and the pruned model equals its masked self within 1e-4 of the largest value of every layer's output.
        - The plan predicted the parameters and the multiply-accumulates that are counted afterwards; what was frozen is frozen still.
        - The pruned model's answers have the shapes of the original's (for detectors: but for the number of boxes).
        - Saved and loaded into a fresh instance, it has the same tensors and the same answers, bit by bit.
        - Traced again, it has the channel groups it had, without the removed ones: nothing else is tied, nothing has come apart, what stayed stays, and what was free is free unless it has become a layer's last or one of a side's last two.
        - It trains: forward in training mode, backward, a step of SGD with momentum; gradients and weights are finite, and some weight moves. (At global 0.75 the optimizer has trained before the cut, and its momenta
          shrink with the weights.)
        - The cut is undone after that step: weights and answers are those of the original, bit by bit.

        """;

    private const string SeedText = "7";

    public static string Of(IReadOnlyList<ZooRow> rows, IReadOnlyDictionary<string, string> failures)
    {
        var text = new StringBuilder(Introduction.ReplaceLineEndings("\n"));
        text.Append(CultureInfo.InvariantCulture, $"\nMachine: {Machine()}.\n\n");
        AppendFailures(text, failures);
        AppendTable(text, rows, failures.Count);
        AppendReference(text, rows.Where(row => row.Model.ReferenceMillions is not null).ToList());
        return text.ToString();
    }

    private static void AppendFailures(StringBuilder text, IReadOnlyDictionary<string, string> failures)
    {
        if (failures.Count == 0) return;
        text.Append("## What does not hold\n\n");
        foreach (var (_, message) in failures) text.Append(CultureInfo.InvariantCulture, $"- {message.Split('\n')[0].Trim()}\n");
        text.Append('\n');
    }

    private static void AppendTable(StringBuilder text, IReadOnlyList<ZooRow> rows, int failed)
    {
        var checks = rows.Count * ZooConfiguration.All.Count;
        text.Append(string.Create(CultureInfo.InvariantCulture, $"""
            ## Models

            {rows.Count} of {rows.Count + failed} models pass, in {checks} cuts. Roles are the groups by signature (the same layers, as often). Parameters and multiply-accumulates (at the
            size of the zoo's inputs) are before → after L1, local, 0.5. The proof is the worst of the six. Seconds are those of the first trace and of the whole check (six cuts, seven
            traces), on a machine that may have been busy with other work.

            | model | layers | groups | roles | groups that stay | parameters | MACs | proof | trace | check |
            |---|---:|---:|---:|---:|---:|---:|---:|---:|---:|

            """).ReplaceLineEndings("\n"));
        foreach (var row in rows)
        {
            text.Append(CultureInfo.InvariantCulture, $"| {row.Model.Name} | {row.Layers} | {row.Groups} | {row.Roles} | {row.Pinned} | {Large(row.Before.Parameters)} → {Large(row.After.Parameters)} | ")
                .Append(CultureInfo.InvariantCulture, $"{Large(row.Before.Macs)} → {Large(row.After.Macs)} | {row.WorstProof:0.0e+0} | {row.Trace.TotalSeconds:0.0} | {row.Whole.TotalSeconds:0.0} |\n");
        }
    }

    private static void AppendReference(StringBuilder text, List<ZooRow> rows)
    {
        if (rows.Count == 0) return;
        text.Append("""

            ## Parameters beside another library's

            Millions of parameters before and after L1, local, 0.5. The other library's figures stand in the zoo's sources; they were not made here, and come from other weights. The deviation is ours
            against theirs, after the cut.

            | model | theirs before | ours before | theirs after | ours after | deviation |
            |---|---:|---:|---:|---:|---:|

            """.ReplaceLineEndings("\n"));
        foreach (var row in rows)
        {
            var (before, after) = row.Model.ReferenceMillions!.Value;
            var ours = row.After.Parameters / 1e6;
            text.Append(CultureInfo.InvariantCulture, $"| {row.Model.Name} | {before:0.00} | {row.Before.Parameters / 1e6:0.00} | {after:0.00} | {ours:0.00} | {100 * ((ours / after) - 1):+0.0;-0.0;0.0} % |\n");
        }
    }

    private static string Large(long count) => count switch
    {
        >= 1_000_000_000 => string.Create(CultureInfo.InvariantCulture, $"{count / 1e9:0.00} G"),
        >= 1_000_000 => string.Create(CultureInfo.InvariantCulture, $"{count / 1e6:0.00} M"),
        >= 1_000 => string.Create(CultureInfo.InvariantCulture, $"{count / 1e3:0.0} k"),
        _ => count.ToString(CultureInfo.InvariantCulture),
    };

    private static string Machine()
    {
        const string cpuinfo = "/proc/cpuinfo";
        var cpu = File.Exists(cpuinfo) ? File.ReadLines(cpuinfo).FirstOrDefault(line => line.StartsWith("model name", StringComparison.Ordinal))?.Split(':')[1].Trim() : null;
        var torchSharp = typeof(torch).Assembly.GetName().Version!.ToString(3);
        return string.Create(CultureInfo.InvariantCulture,
            $"{cpu ?? RuntimeInformation.ProcessArchitecture.ToString()}, {Environment.ProcessorCount} cores, {get_num_threads()} of them for libtorch; {RuntimeInformation.OSDescription}; {RuntimeInformation.FrameworkDescription}; TorchSharp {torchSharp} with libtorch {__version__}; float32 on the CPU");
    }
}
