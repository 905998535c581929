namespace FilterPruning.Detection.Data.Scenes;

/// <summary>A finished scene.</summary>
/// <param name="Pixels">Red, green and blue planes of height × width values, 0 … 1, multiples of 1/255.</param>
/// <param name="Owner">Height × width: 1 + the index of the item that covers a pixel, 0 for the background.</param>
/// <param name="Labels">The objects' labels, back to front.</param>
/// <param name="Items">The objects' indices among the items, matching <paramref name="Labels"/>.</param>
internal sealed record RenderedScene(float[] Pixels, byte[] Owner, List<long> Labels, List<int> Items)
{
    /// <summary>Writes the objects' visible pixels: one plane of height × width bytes each, 1 inside; the planes must be zero before.</summary>
    public void WriteMasks(Span<byte> masks)
    {
        for (var index = 0; index < Items.Count; index++)
        {
            var plane = masks.Slice(index * Owner.Length, Owner.Length);
            var mark = (byte)(Items[index] + 1);
            for (var i = 0; i < Owner.Length; i++)
                plane[i] = Owner[i] == mark ? (byte)1 : (byte)0;
        }
    }
}
