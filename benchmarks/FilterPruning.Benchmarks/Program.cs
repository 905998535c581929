using System.Globalization;
using BenchmarkDotNet.Columns;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Diagnosers;
using BenchmarkDotNet.Exporters;
using BenchmarkDotNet.Exporters.Json;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Reports;
using BenchmarkDotNet.Running;
using BenchmarkDotNet.Toolchains.InProcess.Emit;
using FilterPruning.Benchmarks;
using FilterPruning.Benchmarks.Goals;
using FilterPruning.Benchmarks.Scoring;
using Perfolizer.Horology;

// dotnet run -c Release --project benchmarks/FilterPruning.Benchmarks -- [--short] [--results FOLDER] [--filter *FilterNorm*]
// dotnet run -c Release --project benchmarks/FilterPruning.Benchmarks -- goals [NAME…] [--quick] [--cores 0,1] [--out FILE]
// dotnet run -c Release --project benchmarks/FilterPruning.Benchmarks -- profile [--size 320,800] [--batch 1,4] [--threads 1,2] [--rounds N] [--weights FILE] [--image FILE]
// dotnet run -c Release --project benchmarks/FilterPruning.Benchmarks -- speedup [--out FILE] [--size 320,800] [--scopes local,global,macs] [--ratios 0.1,…] [--multiples 1] [--threads N] [--rounds N] [--images N] [--seed N] [--plain] [--processor-time]
// --short measures each case for a fifth of a second: good for a look, not for a table. --results keeps a Markdown and a JSON file of each suite.
// Everything runs in this process: a generated project would lay out half a gigabyte of libtorch once more.
if (args is ["goals", ..])
    return GoalRunner.Run(args[1..]);
if (args is ["profile", ..])
    return FilterPruning.Benchmarks.Inference.StageProfile.Run(args[1..]);
if (args is ["speedup", ..])
    return FilterPruning.Benchmarks.Speedup.SpeedupStudy.Run(args[1..]);

List<string> arguments = [.. args];
var quick = arguments.Remove("--short");
string? results = null;
if (arguments.IndexOf("--results") is >= 0 and var at && at + 1 < arguments.Count)
{
    results = arguments[at + 1];
    arguments.RemoveRange(at, 2);
}

var job = Job.Default.WithToolchain(InProcessEmitToolchain.Instance);
if (quick)
    job = job.WithWarmupCount(2).WithIterationCount(20).WithIterationTime(TimeInterval.FromMilliseconds(10)).WithId("Short");

var config = ManualConfig.Create(DefaultConfig.Instance)
    .AddJob(job)
    .AddDiagnoser(MemoryDiagnoser.Default)
    .AddColumn(StatisticColumn.Min) // the least disturbed iteration; what to read on a shared machine
    .AddExporter(MarkdownExporter.GitHub, JsonExporter.Brief)
    .WithSummaryStyle(SummaryStyle.Default.WithMaxParameterColumnWidth(40))
    .WithCultureInfo(CultureInfo.InvariantCulture);
var summaries = BenchmarkSwitcher.FromAssembly(typeof(WeightShape).Assembly).Run([.. arguments], config).ToArray();
if (results is not null)
    BenchmarkResults.Keep(summaries, results);
return summaries.Any(summary => summary.HasCriticalValidationErrors) ? 1 : 0;
