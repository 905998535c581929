namespace FilterPruning.Tracing;

/// <summary>Disjoint sets over <c>0 … count-1</c>. A set's representative is its smallest member, so results do not depend on the order of unions.</summary>
internal sealed class UnionFind
{
    private readonly int[] _parent;

    public UnionFind(int count) => _parent = Enumerable.Range(0, count).ToArray();

    private UnionFind(int[] parent) => _parent = parent;

    public int Find(int item)
    {
        while (_parent[item] != item) item = _parent[item] = _parent[_parent[item]];
        return item;
    }

    public void Union(int first, int second)
    {
        first = Find(first);
        second = Find(second);
        if (first == second) return;
        if (first < second) _parent[second] = first;
        else _parent[first] = second;
    }

    public UnionFind Copy() => new((int[])_parent.Clone());
}
