using System.Runtime.InteropServices;
using FilterPruning.Detection.Models;

namespace FilterPruning.Detection.Data;

/// <summary>
/// The Penn-Fudan pedestrians: photos of streets with a mask for each person; as published 170 images with 423 persons. Also any data of one class in the same layout.
/// </summary>
/// <remarks>
/// Layout: <c>PNGImages/NAME.png</c> and <c>PedMasks/NAME_mask.png</c>, an 8-bit grey image in which pixel 0 is background and pixel i belongs to person i.
/// Source: Wang, Shi, Song, Shen, "Object detection combining recognition and segmentation", ACCV 2007. Images are numbered from 1 in the order of their names. Thread-safe.
/// </remarks>
public sealed class PennFudanDataset : IDetectionDataset
{
    private static readonly string[] Classes = ["person"];
    private readonly (string Image, string Mask)[] _files;

    private PennFudanDataset((string Image, string Mask)[] files) => _files = files;

    /// <inheritdoc/>
    public string Name => "pennfudan";

    /// <inheritdoc/>
    public IReadOnlyList<string> ClassNames => Classes;

    /// <inheritdoc/>
    public int Count => _files.Length;

    /// <summary>Lists the images of a folder; nothing is decoded yet.</summary>
    /// <param name="folder">The folder that holds <c>PNGImages</c> and <c>PedMasks</c>.</param>
    /// <exception cref="ImageException">A folder is missing or empty, or an image has no mask.</exception>
    public static PennFudanDataset Open(string folder)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        var images = ImageFolder.ListFiles(Path.Combine(folder, "PNGImages"), ".png");
        if (images.Length == 0)
            throw new ImageException($"The folder '{Path.Combine(folder, "PNGImages")}' holds no PNG file. Give the folder that holds PNGImages and PedMasks.");
        var files = Array.ConvertAll(images, image => (image, Path.Combine(folder, "PedMasks", Path.GetFileNameWithoutExtension(image) + "_mask.png")));
        foreach (var (image, mask) in files)
        {
            if (!File.Exists(mask))
                throw new ImageException($"The image '{image}' has no mask: '{mask}' does not exist. Add it, or take the image away.");
        }

        return new PennFudanDataset(files);
    }

    /// <summary>The name of an image's file, without folder.</summary>
    public string FileName(int index) => Path.GetFileName(_files[index].Image);

    /// <inheritdoc/>
    /// <exception cref="ImageException">A file cannot be read, is damaged, or image and mask differ in size.</exception>
    public DetectionSample Load(int index)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(index);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(index, Count);
        using var scope = NewDisposeScope();
        var (imagePath, maskPath) = _files[index];
        var image = ImageFile.Load(imagePath);
        var (ids, width, height) = ImageFile.LoadGrey(maskPath);
        if (image.shape[1] != height || image.shape[2] != width)
            throw new ImageException($"'{imagePath}' has {image.shape[2]} × {image.shape[1]} pixels, but its mask '{maskPath}' has {width} × {height}. They must be the same.");
        return new DetectionSample(index + 1, image.MoveToOuterDisposeScope(), ToTarget(ids, width, height, $"'{maskPath}'"));
    }

    /// <summary>The objects of a mask; the caller owns them.</summary>
    /// <exception cref="ImageException">Their masks, a byte for each pixel and object, would have more than 2³¹ − 1 bytes.</exception>
    internal static Target ToTarget(byte[] ids, int width, int height, string name)
    {
        // The plane of each id that occurs, in the order of the ids.
        var planes = new int[256];
        Array.Fill(planes, -1);
        foreach (var id in ids)
            planes[id] = 0;
        planes[0] = -1;
        var count = 0;
        for (var id = 1; id < planes.Length; id++)
            planes[id] = planes[id] < 0 ? -1 : count++;

        if ((long)count * ids.Length > int.MaxValue)
        {
            throw new ImageException(
                $"The mask {name} has {count} objects on {width} × {height} pixels: their masks would take {(long)count * ids.Length} bytes, and the limit is {int.MaxValue}. Make image and mask smaller.");
        }

        var masks = zeros([count, height, width], uint8);
        var boxes = zeros([count, 4], float32);
        if (count > 0)
        {
            var bytes = masks.bytes;
            for (var i = 0; i < ids.Length; i++)
            {
                if (planes[ids[i]] >= 0)
                    bytes[(planes[ids[i]] * ids.Length) + i] = 1;
            }

            MaskBoxes.Write(bytes, count, height, width, MemoryMarshal.Cast<byte, float>(boxes.bytes));
        }

        return new Target(boxes.MoveToOuterDisposeScope(), ones([count], int64).MoveToOuterDisposeScope(), masks.MoveToOuterDisposeScope());
    }
}
