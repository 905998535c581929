using System.Globalization;
using BenchmarkDotNet.Columns;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Diagnosers;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Reports;
using BenchmarkDotNet.Running;
using BenchmarkDotNet.Toolchains.InProcess.Emit;
using Perfolizer.Horology;

// dotnet run -c Release --project benchmarks/FilterPruning.Benchmarks -- [--short] [--filter *FilterNorm*]
// --short measures each case for a quarter of a second: good for a look, not for a table.
// Everything runs in this process: a generated project would lay out half a gigabyte of libtorch once more.
var quick = args.Contains("--short");
var job = Job.Default.WithToolchain(InProcessEmitToolchain.Instance);
if (quick)
    job = job.WithWarmupCount(2).WithIterationCount(20).WithIterationTime(TimeInterval.FromMilliseconds(10)).WithId("Short");

var config = ManualConfig.Create(DefaultConfig.Instance)
    .AddJob(job)
    .AddDiagnoser(MemoryDiagnoser.Default)
    .AddColumn(StatisticColumn.Min) // the least disturbed iteration; what to read on a shared machine
    .WithSummaryStyle(SummaryStyle.Default.WithMaxParameterColumnWidth(40))
    .WithCultureInfo(CultureInfo.InvariantCulture)
    .WithOptions(ConfigOptions.JoinSummary);
BenchmarkSwitcher.FromAssembly(typeof(Program).Assembly).Run([.. args.Where(argument => argument != "--short")], config);
