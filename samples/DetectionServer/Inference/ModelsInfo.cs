using DetectionServer.Work;

namespace DetectionServer.Inference;

/// <summary>What the page and <c>GET /models</c> say about the models.</summary>
/// <param name="Classes">Class names; label i is <c>Classes[i − 1]</c>.</param>
/// <param name="Models">Dense, pruned.</param>
internal sealed record ModelsInfo(IReadOnlyList<string> Classes, IReadOnlyList<ModelInfo> Models);

/// <summary>What is known about one model.</summary>
/// <param name="Model">Which.</param>
/// <param name="Architecture">Its name as <c>MaskRcnn.Create</c> knows it.</param>
/// <param name="Parameters">Trainable and frozen weights.</param>
/// <param name="WeightBytes">What its weights take as float32.</param>
/// <param name="Macs">Multiply-accumulates for the image the recipe was made with; null when no file says so.</param>
internal sealed record ModelInfo(ModelName Model, string Architecture, long Parameters, long WeightBytes, long? Macs);
