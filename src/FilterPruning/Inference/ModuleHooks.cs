using System.Collections;
using System.Collections.Concurrent;
using System.Reflection;

namespace FilterPruning.Inference;

/// <summary>Whether anyone watches a module. TorchSharp keeps its hooks in private dictionaries; a renamed one throws, and a test says so first.</summary>
internal static class ModuleHooks
{
    private static readonly string[] Names = ["pre_hooks", "post_hooks", "module_pre_hooks", "module_post_hooks"];
    private static readonly ConcurrentDictionary<Type, FieldInfo[]> _fields = new();

    /// <summary>Whether the module has hooks that <c>call</c> would run.</summary>
    public static bool Any(nn.Module module)
    {
        foreach (var field in _fields.GetOrAdd(module.GetType(), Find))
        {
            if (field.GetValue(module) is ICollection { Count: > 0 })
                return true;
        }

        return false;
    }

    private static FieldInfo[] Find(Type type)
    {
        for (var level = type; level is not null; level = level.BaseType)
        {
            if (level.IsGenericType && level.Name.StartsWith("HookableModule", StringComparison.Ordinal))
                return [.. Names.Select(name => level.GetField(name, BindingFlags.Instance | BindingFlags.NonPublic) ?? throw new MissingFieldException(level.FullName, name))];
        }

        return [];
    }
}
