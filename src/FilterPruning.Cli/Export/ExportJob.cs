using System.CommandLine;
using FilterPruning.Detection.Models;
using FilterPruning.Planning;

namespace FilterPruning.Cli.Export;

/// <summary>What is to be exported.</summary>
/// <param name="Parsed">The command line, for the format's own options.</param>
/// <param name="Model">The detector in evaluation mode; the command's.</param>
/// <param name="Description">What it is.</param>
/// <param name="Plan">The recipe it was pruned by, or null.</param>
/// <param name="Path">What <c>--out</c> says.</param>
/// <param name="Cancellation">Ctrl-C.</param>
internal sealed record ExportJob(ParseResult Parsed, MaskRcnnModel Model, DetectorDescription Description, PruningPlan? Plan, string Path, CancellationToken Cancellation);
