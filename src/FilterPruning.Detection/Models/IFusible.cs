using FilterPruning.Inference;

namespace FilterPruning.Detection.Models;

/// <summary>A part of the detector with layers that can run as one operation with what follows them.</summary>
internal interface IFusible
{
    /// <summary>Its layers, those of its children left out.</summary>
    IEnumerable<IFusedLayer> Fusions { get; }
}
