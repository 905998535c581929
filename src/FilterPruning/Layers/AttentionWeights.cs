using TorchSharp.Modules;

namespace FilterPruning.Layers;

/// <summary>
/// The parameters of a <c>MultiheadAttention</c> and what it computes with them, written out (Vaswani et al., Attention Is All You Need, 2017, eq. 1 and section 3.2.2): a second way to the
/// native module's answer, which also answers as if channels were gone.
/// </summary>
internal sealed class AttentionWeights
{
    private readonly Tensor _query;
    private readonly Tensor _key;
    private readonly Tensor _value;
    private readonly Tensor? _bias;
    private readonly Tensor _out;
    private readonly Tensor? _outBias;
    private readonly Tensor? _valueBias;

    public AttentionWeights(MultiheadAttention module)
    {
        var named = module.named_parameters(recurse: false).ToDictionary(entry => entry.name, entry => (Tensor)entry.parameter, StringComparer.Ordinal);
        _out = named["out_proj.weight"].detach();
        Embedding = (int)_out.shape[0];
        IsPacked = named.TryGetValue("in_proj_weight", out var packed) && packed.numel() > 0;
        (_query, _key, _value) = IsPacked
            ? (Third(packed!, 0), Third(packed!, 1), Third(packed!, 2))
            : (named["q_proj_weight"].detach(), named["k_proj_weight"].detach(), named["v_proj_weight"].detach());
        _bias = Find("in_proj_bias");
        _outBias = Find("out_proj.bias");
        KeyBias = Find("bias_k");
        _valueBias = Find("bias_v");

        Tensor? Find(string name) => named.TryGetValue(name, out var found) && !found.IsInvalid && found.numel() > 0 ? found.detach() : null;

        Tensor Third(Tensor all, int number) => all.detach().narrow(0, number * Embedding, Embedding);
    }

    /// <summary>The width of queries and of the answer.</summary>
    public int Embedding { get; }

    /// <summary>Whether queries, keys and values have the same width and their projections lie in one matrix.</summary>
    public bool IsPacked { get; }

    /// <summary>Whether the projections have a bias.</summary>
    public bool HasBias => _bias is not null;

    /// <summary>A learned row that is added to the keys, or null.</summary>
    public Tensor? KeyBias { get; }

    public int KeyWidth => (int)_key.shape[1];

    public int ValueWidth => (int)_value.shape[1];

    public ScalarType Type => _out.dtype;

    public Device Device => _out.device;

    /// <summary>All channels.</summary>
    public IReadOnlyList<int> All => [.. Enumerable.Range(0, Embedding)];

    /// <summary>Inputs of fitting shapes, [length, batch, width] each.</summary>
    public (Tensor Query, Tensor Key, Tensor Value) Inputs(long length, long batch, Func<long[], ScalarType, Tensor> make) =>
        (make([length, batch, Embedding], Type).to(Device), make([length, batch, KeyWidth], Type).to(Device), make([length, batch, ValueWidth], Type).to(Device));

    /// <summary>The layer's answer with only some channels.</summary>
    /// <param name="inputs">Query [L, N, E], key and value [S, N, E], and, or null, the key padding mask [N, S] and the attention mask [L, S] or [N · heads, L, S]; at full width.</param>
    /// <param name="heads">The number of heads at full width.</param>
    /// <param name="addZero">Whether a row of zeros is added to keys and values.</param>
    /// <param name="kept">Channels that stay, of the inputs and the answer.</param>
    /// <param name="keptInside">Channels that stay between the projections; the same number in every head that is left.</param>
    /// <returns>The answer [L, N, kept] and the weights averaged over the heads [N, L, S]; the caller's.</returns>
    public (Tensor Output, Tensor Weights) Attend(IReadOnlyList<Tensor?> inputs, int heads, bool addZero, IReadOnlyList<int> kept, IReadOnlyList<int> keptInside)
    {
        using var scope = NewDisposeScope();
        var (outer, inner) = (Index(kept), Index(keptInside));
        var width = Embedding / heads;
        var headsLeft = keptInside.Select(channel => channel / width).Distinct().Count();
        var (length, batch) = (inputs[0]!.shape[0], inputs[0]!.shape[1]);
        var query = Project(inputs[0]!, _query, 0) / Math.Sqrt(width);
        var (key, value) = (Project(inputs[1]!, _key, 1), Project(inputs[2]!, _value, 2));
        if (KeyBias is { } keyBias)
        {
            key = cat([key, keyBias.to(float64).index_select(2, inner).expand(1, batch, inner.shape[0])], 0);
            value = cat([value, _valueBias!.to(float64).index_select(2, inner).expand(1, batch, inner.shape[0])], 0);
        }
        var (q, k, v) = (Heads(query), Heads(key), Heads(value));                                          // [N, heads, L or S, width]
        if (addZero) (k, v) = (WithZero(k), WithZero(v));
        var scores = einsum("nhlw,nhsw->nhls", q, k);
        if (inputs[4] is { } mask) scores = Masked(scores, mask, headsLeft, heads);
        if (inputs[3] is { } padding) scores = Hidden(scores, padding.view(batch, 1, 1, -1));
        var weights = nn.functional.softmax(scores, -1);
        var attended = einsum("nhls,nhsw->lnhw", weights, v).reshape(length, batch, -1);
        var output = einsum("lni,oi->lno", attended, _out.to(float64).index_select(0, outer).index_select(1, inner));
        if (_outBias is { } bias) output += bias.to(float64).index_select(0, outer);
        return (output.to(Type).MoveToOuterDisposeScope(), weights.mean([1L]).to(Type).MoveToOuterDisposeScope());

        Tensor Index(IReadOnlyList<int> channels) => tensor(channels.Select(channel => (long)channel).ToArray(), device: Device);

        Tensor Project(Tensor input, Tensor weight, int number)
        {
            var x = input.detach().to(float64);
            var w = weight.to(float64).index_select(0, inner);
            // Keys and values of another width come from elsewhere and are read whole.
            if (IsPacked || number == 0) (x, w) = (x.index_select(2, outer), w.index_select(1, outer));
            var projected = einsum("lni,oi->lno", x, w);
            return _bias is { } b ? projected + b.to(float64).narrow(0, number * Embedding, Embedding).index_select(0, inner) : projected;
        }

        Tensor Heads(Tensor rows) => rows.view(rows.shape[0], batch, headsLeft, -1).permute(1, 2, 0, 3);

        static Tensor WithZero(Tensor rows) => cat([rows, zeros_like(rows.narrow(2, 0, 1))], 2);
    }

    // A mask for each head belongs to the heads in order; with heads gone, to those that are left.
    private static Tensor Masked(Tensor scores, Tensor mask, int headsLeft, int heads)
    {
        var shaped = mask.dim() == 2 ? mask.view(1, 1, mask.shape[0], mask.shape[1]) : mask.view(-1, mask.shape[0] / scores.shape[0], mask.shape[1], mask.shape[2]);
        if (shaped.shape[1] == heads && headsLeft != heads)
            throw new PruningException("An attention layer gets a mask for each of its heads, which the model's own code makes; its heads cannot go. Keep the layer by the option Ignore.");
        return shaped.dtype == ScalarType.Bool ? Hidden(scores, shaped) : scores + Widened(shaped.to(float64), scores);
    }

    private static Tensor Hidden(Tensor scores, Tensor hide) => scores.masked_fill(Widened(hide.to(ScalarType.Bool), scores), double.NegativeInfinity);

    // The columns of learned and zero rows are never masked.
    private static Tensor Widened(Tensor mask, Tensor scores) =>
        mask.shape[^1] == scores.shape[^1] ? mask : cat([mask, zeros([.. mask.shape[..^1], scores.shape[^1] - mask.shape[^1]], dtype: mask.dtype, device: mask.device)], -1);
}
