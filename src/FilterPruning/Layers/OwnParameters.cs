namespace FilterPruning.Layers;

/// <summary>Looks a module's own parameters up by name. Not by its properties: those of native modules make a new object at each call.</summary>
internal static class OwnParameters
{
    /// <summary>A parameter that is there.</summary>
    public static TorchSharp.Modules.Parameter Get(nn.Module module, string name) => Find(module, name)
        ?? throw new PruningException($"{module.GetName()} has no parameter '{name}'. This version of TorchSharp names its parameters otherwise; a newer version of this library may know them.");

    /// <summary>A parameter, or null.</summary>
    public static TorchSharp.Modules.Parameter? Find(nn.Module module, string name)
    {
        foreach (var (known, parameter) in module.named_parameters(recurse: false))
            if (known == name) return parameter;
        return null;
    }
}
