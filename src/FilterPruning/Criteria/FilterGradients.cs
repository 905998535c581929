using System.Runtime.InteropServices;
using FilterPruning.Graph;
using FilterPruning.Planning;

namespace FilterPruning.Criteria;

/// <summary>Runs batches forth and back, and gives for every filter the sum over its weights of gradient times weight.</summary>
/// <remarks>That sum is the derivative of the loss with respect to a factor on the whole filter, at factor 1.</remarks>
internal static class FilterGradients
{
    /// <param name="context">The guarded model.</param>
    /// <param name="criterion">The criterion's name, for messages.</param>
    /// <param name="batches">Run with a history; each must return its loss.</param>
    /// <param name="seed">Seed of everything random in the forwards.</param>
    /// <param name="take">Gets, for each batch, the sums of every layer of <see cref="CriterionContext.Filters"/>; zeros for a layer that this batch does not reach.</param>
    /// <exception cref="PruningException">No usable loss, or prunable filters that no batch reaches.</exception>
    public static void Run(CriterionContext context, string criterion, ICalibrationBatches batches, int seed, Action<double[][]> take)
    {
        var banks = context.Filters;
        Tensor[] leaves = [.. banks.Select(bank => bank.Weight).Where(weight => weight.is_leaf && weight.requires_grad).Distinct<Tensor>(ReferenceEqualityComparer.Instance)];
        var reached = new bool[banks.Count];
        context.ForEachBatch(batches, seed, gradients: true, (index, loss) =>
        {
            Clear(leaves);  // a batch may have propagated a loss back by itself
            Propagate(CheckLoss(loss, criterion, index), leaves, index);
            using var noGrad = no_grad();
            var sums = new double[banks.Count][];
            for (var i = 0; i < banks.Count; i++)
            {
                // Read anew for each layer: two layers may share a weight.
                var gradient = banks[i].Weight.grad;
                reached[i] |= gradient is not null;
                sums[i] = gradient is null ? new double[banks[i].Count] : Sums(banks[i], gradient);
            }

            Clear(leaves);
            take(sums);
        });
        ThrowIfUnreached(context.Graph, criterion, banks, reached);
    }

    private static void Propagate(Tensor loss, Tensor[] leaves, int index)
    {
        try
        {
            // Only to the filters: biases and norms would get gradients that no one reads.
            autograd.backward([loss], [ones_like(loss)], retain_graph: false, create_graph: false, inputs: leaves);
        }
        catch (ExternalException error)
        {
            throw new PruningException($"The loss of batch {index} cannot be propagated back: {error.Message.Split('\n')[0].TrimEnd('.', ' ', '\r')}. Return a loss that autograd can differentiate.", error);
        }
    }

    private static void Clear(Tensor[] leaves)
    {
        foreach (var leaf in leaves)
            leaf.grad = null;
    }

    private static double[] Sums(FilterBank bank, Tensor gradient)
    {
        using var scope = NewDisposeScope();
        var weight = bank.Weight.detach();
        if (gradient.is_sparse)
            gradient = gradient.to_dense();
        if (weight.element_size() < 4)
            (weight, gradient) = (weight.to(float32), gradient.to(float32));  // products of half-precision numbers fall out of its range
        var products = (bank with { Weight = weight * gradient }).AsMatrix();  // [filters, numbers]
        return [.. products.sum(1, type: float64).cpu().data<double>()];
    }

    private static Tensor CheckLoss(Tensor? loss, string criterion, int index)
    {
        if (loss is null || loss.numel() != 1 || !loss.requires_grad)
        {
            var given = loss is null ? "nothing" : loss.numel() != 1 ? $"a tensor of shape [{string.Join(", ", loss.shape)}]" : "a number without a history";
            throw new PruningException(
                $"The criterion '{criterion}' needs the loss of each batch, one number with its history; batch {index} returned {given}. Give batches that return it, for instance {nameof(CalibrationBatches)}.{nameof(CalibrationBatches.WithLoss)}.");
        }

        using var value = loss.detach().to(float64);
        if (!double.IsFinite(value.item<double>()))
            throw new PruningException($"The loss of batch {index} is {value.item<double>()}; a loss must be finite. Look for bad inputs or weights.");
        return loss;
    }

    private static void ThrowIfUnreached(DependencyGraph graph, string criterion, IReadOnlyList<FilterBank> banks, bool[] reached)
    {
        var prunable = graph.Layers.Where(layer => layer.IsPrunable).Select(layer => layer.Name).ToHashSet(StringComparer.Ordinal);
        var missed = banks.Where((bank, i) => !reached[i] && prunable.Contains(bank.LayerName)).Select(bank => bank.LayerName).ToList();
        if (missed.Count > 0)
        {
            throw new PruningException(
                $"The criterion '{criterion}' found no gradient in {missed.Count} prunable layers: {string.Join(", ", missed.Take(5).Select(name => $"'{name}'"))}{(missed.Count > 5 ? ", …" : "")}. "
                + "Give batches that run the traced model, and a loss that depends on all of it.");
        }
    }
}
