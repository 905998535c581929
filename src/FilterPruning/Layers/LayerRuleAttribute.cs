namespace FilterPruning.Layers;

/// <summary>Put on a module class of your own: names the <see cref="LayerRule"/> that describes it, so that tracing understands it without further hints.</summary>
/// <param name="ruleType">A concrete <see cref="LayerRule"/> with a parameterless constructor.</param>
[AttributeUsage(AttributeTargets.Class)]
public sealed class LayerRuleAttribute(Type ruleType) : Attribute
{
    /// <summary>The rule's type.</summary>
    public Type RuleType { get; } = ruleType;
}
