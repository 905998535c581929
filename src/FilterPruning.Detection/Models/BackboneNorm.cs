namespace FilterPruning.Detection.Models;

/// <summary>The normalisation of the backbone.</summary>
public enum BackboneNorm
{
    /// <summary>Frozen BatchNorm: weight, bias and statistics are buffers that never change. What detectors are trained with.</summary>
    Frozen,

    /// <summary>Live BatchNorm: trainable weight and bias; statistics of the batch while the module trains, running ones otherwise.</summary>
    Live,
}
