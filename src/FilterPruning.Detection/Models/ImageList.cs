namespace FilterPruning.Detection.Models;

/// <summary>Images of different sizes in one tensor, padded at the right and below. torchvision <c>detection/image_list.py</c>.</summary>
/// <param name="Tensors">float32 <c>[N, 3, H, W]</c>, normalised and resized; zero where padded.</param>
/// <param name="Sizes">Each image's own height and width within it.</param>
internal sealed record ImageList(Tensor Tensors, IReadOnlyList<(int Height, int Width)> Sizes);
