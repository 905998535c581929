using FilterPruning.Cli;

return await CommandLine.RunAsync(args);
