using System.Globalization;
using FilterPruning.Reliability;
using FilterPruning.Reliability.Kills;
using FilterPruning.Reliability.Leaks;
using FilterPruning.Reliability.Threads;

// ./build.sh reliability [kills|leaks|threads] [--rounds N] [--seed S] [--only NAMES]
var options = Arguments.Parse(args);
if (options is null)
    return 2;
Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{Environment.MachineName}, {Environment.ProcessorCount} cores, .NET {Environment.Version}, libtorch {torch.__version__}, seed {options.Seed}"));
var works = true;
foreach (var what in options.What)
{
    works &= what switch
    {
        "kills" => KillRun.Run(options.Rounds ?? 200, options.Seed, options.Only, Console.WriteLine),
        "leaks" => LeakRun.Run(options.Rounds ?? 10_000, options.Only, Console.WriteLine),
        _ => ThreadRun.Run(options.Rounds ?? 200, options.Seed, Console.WriteLine),
    };
}

Console.WriteLine(works ? "All as it should be." : "Something is not as it should be; see above.");
return works ? 0 : 1;
