using System.Reflection;

namespace FilterPruning.Layers;

/// <summary>
/// Finds the rule of a module. The most specific source wins: rules given by the caller, then <see cref="LayerRuleAttribute"/> on the
/// module's class, then the built-in ones.
/// </summary>
public sealed class LayerRules
{
    private static readonly LayerRule[] _builtIn =
    [
        new ConvolutionRule(1), new ConvolutionRule(2), new ConvolutionRule(3),
        new ConvolutionTransposeRule(1), new ConvolutionTransposeRule(2), new ConvolutionTransposeRule(3),
        new LinearRule(),
        .. NormRule.All,
        new LayerNormRule(), new GroupNormRule(),
        new PReluRule(), new BilinearRule(), new EmbeddingRule(),
        new LstmRule(), new GruRule(), new MultiheadAttentionRule(),
    ];

    private readonly IReadOnlyList<LayerRule> _given;
    private readonly Dictionary<Type, LayerRule?> _fromAttribute = [];

    /// <summary>Creates a lookup.</summary>
    /// <param name="given">The caller's own rules; the first that handles a module wins.</param>
    public LayerRules(IReadOnlyList<LayerRule>? given = null) => _given = given ?? [];

    /// <summary>The rules that come with the library.</summary>
    public static IReadOnlyList<LayerRule> BuiltIn => _builtIn;

    /// <summary>The rule for a module, or null when no rule describes it.</summary>
    /// <exception cref="PruningException">The module's <see cref="LayerRuleAttribute"/> names a type that is no usable rule.</exception>
    public LayerRule? Find(nn.Module module)
    {
        ArgumentNullException.ThrowIfNull(module);
        foreach (var rule in _given)
            if (rule.Handles(module)) return rule;
        if (FromAttribute(module.GetType()) is { } marked && marked.Handles(module)) return marked;
        foreach (var rule in _builtIn)
            if (rule.Handles(module)) return rule;
        return null;
    }

    private LayerRule? FromAttribute(Type moduleType)
    {
        if (_fromAttribute.TryGetValue(moduleType, out var known)) return known;
        var attribute = moduleType.GetCustomAttribute<LayerRuleAttribute>(inherit: true);
        return _fromAttribute[moduleType] = attribute is null ? null : Create(moduleType, attribute.RuleType);
    }

    private static LayerRule Create(Type moduleType, Type ruleType)
    {
        var constructor = ruleType.GetConstructor(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic, []);
        if (!typeof(LayerRule).IsAssignableFrom(ruleType) || ruleType.IsAbstract || constructor is null)
            throw new PruningException(
                $"[LayerRule(typeof({ruleType.Name}))] on {moduleType.FullName} names no usable rule: it must be a concrete class derived from LayerRule with a constructor without parameters.");
        return (LayerRule)constructor.Invoke([]);
    }
}
