using FilterPruning.Graph;
using FilterPruning.Tracing;

namespace FilterPruning.Criteria;

/// <summary>Prepares criteria that need it, and leaves the model as it was.</summary>
public static class CriterionPreparation
{
    /// <summary>Prepares a criterion for a traced model. Does nothing for a criterion that is no <see cref="IPreparedCriterion"/>.</summary>
    /// <param name="criterion">The criterion; scores this model's layers from now on.</param>
    /// <param name="graph">
    /// The traced model. Afterwards it is exactly as it was: weights, buffers, training flags, gradients, <c>requires_grad</c> flags, hooks, torch's random state on the CPU.
    /// </param>
    /// <param name="cancellationToken">Asks for an early end.</param>
    /// <exception cref="PruningException">The criterion could not measure what it needs; the message says why.</exception>
    /// <exception cref="OperationCanceledException">The end was asked for.</exception>
    public static void Prepare(IPruningCriterion criterion, DependencyGraph graph, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(criterion);
        ArgumentNullException.ThrowIfNull(graph);
        if (criterion is not IPreparedCriterion prepared)
            return;
        using var scope = NewDisposeScope();
        var context = new CriterionContext(graph, cancellationToken);
        using var guard = new Guard(graph.Model, context.Filters);
        prepared.Prepare(context);
    }

    /// <summary>Opens every parameter and every filter to derivatives, with empty gradients, and puts everything back at the end.</summary>
    private sealed class Guard : IDisposable
    {
        private readonly ModelState _state;
        private readonly List<Tensor> _opened;

        public Guard(nn.Module model, IEnumerable<FilterBank> filters)
        {
            _state = new ModelState(model);
            _opened = [.. model.parameters(), .. filters.Select(bank => bank.Weight)];
            foreach (var weight in _opened)
                _state.Open(weight);
        }

        public void Dispose()
        {
            // Gradients left by a batch are no one's; the model's own ones were put aside.
            foreach (var weight in _opened)
            {
                if (weight.grad is not { } left)
                    continue;
                weight.grad = null;
                left.Dispose();
            }

            _state.Dispose();
        }
    }
}
