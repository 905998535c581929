using FilterPruning.Cli;

// What is found in pictures takes hundreds of megabytes a picture and frees them again.
if (args is ["detect" or "eval", ..])
    FilterPruning.Inference.AllocatorTuning.KeepFreedMemory();
return await CommandLine.RunAsync(args);
