namespace DetectionServer.Work;

/// <summary>What a client wants to know about its picture.</summary>
/// <param name="Models">The models that look at it, one after the other on the same pixels.</param>
/// <param name="Score">Detections with a lower score are left out.</param>
/// <param name="Masks">Whether masks are wanted as well.</param>
/// <param name="Picture">Whether the picture with the detections drawn in is wanted instead of numbers.</param>
/// <param name="Runs">How often each model looks; the shortest time counts.</param>
internal sealed record DetectionRequest(IReadOnlyList<ModelName> Models, double Score, bool Masks, bool Picture = false, int Runs = 1);

/// <summary>The two models of the server.</summary>
internal enum ModelName
{
    Dense,
    Pruned,
}
