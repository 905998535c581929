using FilterPruning.Inference;

namespace FilterPruning.Detection.Models;

/// <summary>A part of the detector with convolutions that can run as one operation with what follows them.</summary>
internal interface IFusible
{
    /// <summary>Its convolutions, those of its children left out.</summary>
    IEnumerable<FusedConvolution> Fusions { get; }
}
