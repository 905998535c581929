using FilterPruning.Planning;

namespace FilterPruning.Zoo;

/// <summary>What the check of one model measured.</summary>
/// <param name="Model">The model.</param>
/// <param name="Layers">Layers found.</param>
/// <param name="Groups">Channel groups, pinned ones included.</param>
/// <param name="Roles">Groups by signature.</param>
/// <param name="Pinned">Groups that stay.</param>
/// <param name="Before">Cost before the cut.</param>
/// <param name="After">Cost after the shown configuration.</param>
/// <param name="WorstProof">The largest proof error of all configurations.</param>
/// <param name="Trace">Time for the first trace.</param>
/// <param name="Whole">Time for the whole check.</param>
public sealed record ZooRow(ZooModel Model, int Layers, int Groups, int Roles, int Pinned, Cost Before, Cost After, double WorstProof, TimeSpan Trace, TimeSpan Whole);
