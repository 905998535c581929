using System.Text.Json.Nodes;

namespace FilterPruning.Cli.Export;

/// <summary>What an export gave.</summary>
/// <param name="Json">What <c>--json</c> prints.</param>
/// <param name="Lines">What is printed without it.</param>
/// <param name="Error">What went wrong after the work was done, such as a failed comparison; null when nothing did.</param>
internal sealed record ExportResult(JsonObject Json, IReadOnlyList<string> Lines, string? Error = null);
