namespace FilterPruning.Selection;

/// <summary>The channel groups of one role and all its readers: takes groups in and out of use and keeps count of what is lost: for each reader the share of its output's energy, times its weight, summed.</summary>
internal sealed class SubsetSearch : IDisposable
{
    private readonly List<(ReaderMoments Reader, SweepState State, double Scale)> _readers = [];
    private readonly bool _single;

    /// <summary>Starts with all groups in use, or with none.</summary>
    public SubsetSearch(IReadOnlyList<ReaderMoments> readers, int groups, double noise, bool allInUse)
    {
        Groups = groups;
        InUse = new bool[groups];
        Array.Fill(InUse, allInUse);
        Values = new double[groups];
        _single = readers.All(reader => reader.Channels.All(channels => channels.Length <= 1));
        foreach (var reader in readers)
        {
            var (state, lost) = allInUse ? reader.AllInUse(noise) : reader.NoneInUse(noise);
            var scale = reader.Weight / reader.Energy;
            _readers.Add((reader, state, scale));
            Lost += lost * scale;
        }

        Evaluate();
    }

    /// <summary>The number of groups.</summary>
    public int Groups { get; }

    /// <summary>Which groups are in use.</summary>
    public bool[] InUse { get; }

    /// <summary>The shares of the readers' output energy that are lost, times their weights.</summary>
    public double Lost { get; private set; }

    /// <summary>What each group in use would cost, and what each other one would give back; 0 or more, in the units of <see cref="Lost"/>.</summary>
    public double[] Values { get; }

    /// <summary>Takes a group in, or out where it is in.</summary>
    /// <param name="group">The group.</param>
    /// <param name="drop">Whether the group is never looked at again.</param>
    public void Toggle(int group, bool drop)
    {
        Lost = Math.Max(0, Lost + (InUse[group] ? Values[group] : -Values[group]));
        InUse[group] = !InUse[group];
        foreach (var (reader, state, _) in _readers)
        {
            foreach (var channel in reader.Channels[group])
            {
                state.Sweep(channel);
                if (drop)
                    state.Drop(channel);
            }
        }

        if (drop)
            _gone.Add(group);
        Evaluate();
    }

    public void Dispose() => _readers.ForEach(reader => reader.State.Dispose());

    private readonly HashSet<int> _gone = [];

    private void Evaluate()
    {
        for (var group = 0; group < Groups; group++)
        {
            var value = 0.0;
            if (!_gone.Contains(group))
            {
                foreach (var (reader, state, scale) in _readers)
                {
                    var channels = reader.Channels[group];
                    if (channels.Length > 0)
                        value += scale * Math.Abs(_single || channels.Length == 1 ? state.Quotient(channels[0]) : BlockQuotient(state.Block(channels)));
                }
            }

            Values[group] = value;
        }
    }

    // tr(A⁻¹B) of a small block: the quotients of its channels, one after another.
    private static double BlockQuotient((double[,] A, double[,] B) block)
    {
        var (a, b) = block;
        var width = a.GetLength(0);
        var total = 0.0;
        for (var j = 0; j < width; j++)
        {
            var (d, own) = (a[j, j], b[j, j]);
            total += own / d;
            for (var i = j + 1; i < width; i++)
            {
                for (var k = i; k < width; k++)
                {
                    b[i, k] += (a[i, j] * a[j, k] * own / (d * d)) - (((a[i, j] * b[j, k]) + (b[i, j] * a[j, k])) / d);
                    b[k, i] = b[i, k];
                    if (i != k)
                        a[k, i] = a[i, k] -= a[i, j] * a[j, k] / d;
                }
            }

            // The diagonal last: the rows above still need the column.
            for (var i = j + 1; i < width; i++)
                a[i, i] -= a[i, j] * a[i, j] / d;
        }

        return total;
    }
}
