namespace FilterPruning.Storage;

/// <summary>How <see cref="StateDictLoader"/> matches the names of a source with those of a module.</summary>
public sealed record StateDictOptions
{
    /// <summary>
    /// Whether every tensor of the module must be in the source and every tensor of the source in the module. Default true.
    /// When false both may differ, but at least one tensor must match. Shapes must agree either way.
    /// </summary>
    public bool Strict { get; init; } = true;

    /// <summary>Whether a floating type may become another (F16 or BF16 in the file, Float32 in the module) and an integer a wider one. Default true.</summary>
    public bool AllowCast { get; init; } = true;

    /// <summary>
    /// The beginning to cut from the names of the source, such as <c>"model."</c>; names without it are set aside. Empty: names are taken as they are.
    /// Default null: found by rule. Names are taken as they are when at least one of them is in the module. Otherwise the first of
    /// <c>state_dict.</c>, <c>model_state_dict.</c>, <c>model.</c>, <c>net.</c>, <c>module.</c>, <c>_orig_mod.</c> that any name begins with is cut, and the question is asked again,
    /// at most four times: <c>model.module.conv1.weight</c> beside <c>optimizer.…</c> becomes <c>conv1.weight</c>. An <c>_orig_mod.</c> further inside, of a part that was compiled by itself, is cut as well. Averaged weights (<c>model_ema.</c>, <c>ema_state_dict.</c>,
    /// <c>state_dict_ema.</c>, <c>ema_model.</c>, <c>ema.</c>) are taken only where there are no plain ones.
    /// </summary>
    public string? Prefix { get; init; }

    /// <summary>
    /// The entry of a checkpoint to load from, such as <c>"model_ema"</c>; what else wraps the weights inside it is found by the rule of <see cref="Prefix"/>. Default null: that rule alone.
    /// Not used where <see cref="Prefix"/> is given.
    /// </summary>
    public string? Container { get; init; }

    /// <summary>Gives a name of the source (after <see cref="Prefix"/>) its name in the module, or null to set that tensor aside. Default null: names stay.</summary>
    public Func<string, string?>? Rename { get; init; }
}
