using DetectionServer;

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
