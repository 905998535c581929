using FilterPruning.Fuzz.Guided;

// The instrumenting process must not touch a type of the assemblies it rewrites.
if (args is ["instrument"])
{
    Instrumentation.Run(AppContext.BaseDirectory);
    return 0;
}

return FuzzRun.Run(args);
