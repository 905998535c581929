using FilterPruning.Planning;

namespace FilterPruning.Tests.Planning;

/// <summary>The scopes that any criterion can rank filters in; an allocation needs one that measures.</summary>
internal static class RankingScopes
{
    public static PruningScope[] All { get; } = [PruningScope.Local, PruningScope.Global, PruningScope.Isomorphic];
}
