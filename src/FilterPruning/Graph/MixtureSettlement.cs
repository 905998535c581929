using FilterPruning.Tracing;

namespace FilterPruning.Graph;

/// <summary>Finds, by rehearsal, for each mixture the finest ties with which the model's code lets channels go.</summary>
internal sealed class MixtureSettlement(GraphBuilder builder, Rehearsal rehearsal, Partners partners)
{
    public void Settle(IReadOnlyList<Mixture> mixtures)
    {
        if (mixtures.Count == 0) return;
        var complete = partners.Complete(mixtures.Where(mixture => mixture.Places is not null).ToDictionary(mixture => mixture.Reader, mixture => mixture.Channels()));
        foreach (var mixture in mixtures.Where(mixture => complete.Contains(mixture.Reader))) mixture.AllowPlaces();
        for (var failing = Failing(mixtures); failing.Count > 0; failing = Failing(mixtures))
            foreach (var mixture in failing) mixture.Way++;
        foreach (var mixture in mixtures) Decide(mixture);
    }

    /// <summary>The mixtures whose present way does not pass; none when all pass together.</summary>
    private List<Mixture> Failing(IReadOnlyList<Mixture> mixtures)
    {
        var open = mixtures.Where(mixture => !mixture.IsPinned).ToList();
        var swallowed = builder.Swallowed(mixtures.SelectMany(mixture => mixture.Ties));
        var failing = open.Where(mixture => mixture.Entries.Any(entry => swallowed(entry.Connection.From.Layer.Out(entry.Output)))).ToList();
        if (failing.Count > 0) return failing;
        var draft = builder.MakeDraft(mixtures.SelectMany(mixture => mixture.Ties));
        if (Passes(draft, open)) return [];
        failing = open.Where(mixture => !Passes(draft, [mixture])).ToList();
        // Each passes alone and all together do not: the last is given up.
        return failing.Count > 0 ? failing : [open[^1]];
    }

    private bool Passes(GraphBuilder.Draft draft, List<Mixture> mixtures)
    {
        var units = new HashSet<int>(mixtures.SelectMany(mixture => mixture.Units()));
        if (units.Count == 0) return true;
        var roles = draft.FreeRoles(group => builder.UnitsOf(group).Any(units.Contains));
        return rehearsal.FailureAtAnyScale(draft.Layers, roles) is null;
    }

    private void Decide(Mixture mixture)
    {
        if (!mixture.IsPinned)
        {
            builder.Decide(mixture.Ties);
            return;
        }
        // Channels that are multiplied with one another stay together with whatever else shares their heads.
        foreach (var (connection, output, inputs) in mixture.Entries) builder.PinMixed(connection, output, inputs, withSources: mixture.HasPartners);
    }
}
