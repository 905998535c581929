using DetectionServer;

// The C library keeps memory that detectors free, instead of clearing fresh pages for each picture.
FilterPruning.Inference.AllocatorTuning.KeepFreedMemory();
try
{
    await using var app = DetectionApp.Create(args);
    await app.RunAsync();
}
catch (ArgumentException error)
{
    // A setting that cannot be used: the message says which and what is allowed.
    await Console.Error.WriteLineAsync(error.Message);
    Environment.ExitCode = 2;
}
