using FilterPruning.Detection.Models;

namespace FilterPruning.Detection.Data;

/// <summary>One picture of a row of pictures. Owns nothing.</summary>
/// <param name="Title">Written above it; printable ASCII, other characters are drawn as frames.</param>
/// <param name="Image">float32 <c>[3, H, W]</c>, RGB, 0 … 1.</param>
/// <param name="Detection">What is drawn onto it.</param>
public sealed record OverlayPanel(string Title, Tensor Image, Models.Detection Detection);
