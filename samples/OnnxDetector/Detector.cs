using System.Text.Json;
using Microsoft.ML.OnnxRuntime;
using SkiaSharp;

namespace OnnxDetector;

/// <summary>One found object.</summary>
/// <param name="Name">Its class.</param>
/// <param name="Score">0 … 1.</param>
/// <param name="Box">In pixels of the picture.</param>
/// <param name="Mask">For each pixel of the picture, row by row, the probability that it belongs to the object.</param>
internal sealed record Found(string Name, float Score, SKRect Box, float[] Mask);

/// <summary>
/// An exported detector. The graph does everything from the picture to the masks, so all there is to do is to hand it RGB values from 0 to 1, channel by channel, and to read four tensors.
/// </summary>
internal sealed class Detector : IDisposable
{
    private readonly InferenceSession _session;
    private readonly string[] _classNames;

    public Detector(string path)
    {
        _session = new InferenceSession(path);
        // Label i is the (i − 1)-th name; 0 would be the background.
        _classNames = _session.ModelMetadata.CustomMetadataMap.TryGetValue("class_names", out var names) ? JsonSerializer.Deserialize<string[]>(names)! : [];
    }

    public IReadOnlyList<Found> Detect(SKBitmap picture)
    {
        using var image = OrtValue.CreateTensorValueFromMemory(Values(picture), [3, picture.Height, picture.Width]);
        using var run = new RunOptions();
        using var outputs = _session.Run(run, ["image"], [image], ["boxes", "labels", "scores", "masks"]);
        var boxes = outputs[0].GetTensorDataAsSpan<float>();    // [N, 4]
        var labels = outputs[1].GetTensorDataAsSpan<long>();    // [N]
        var scores = outputs[2].GetTensorDataAsSpan<float>();   // [N]
        var masks = outputs[3].GetTensorDataAsSpan<float>();    // [N, 1, H, W]
        var pixels = picture.Width * picture.Height;
        var found = new Found[labels.Length];
        for (var i = 0; i < found.Length; i++)
        {
            var box = boxes.Slice(4 * i, 4);
            found[i] = new Found(NameOf(labels[i]), scores[i], new SKRect(box[0], box[1], box[2], box[3]), masks.Slice(i * pixels, pixels).ToArray());
        }

        return found;
    }

    public void Dispose() => _session.Dispose();

    private string NameOf(long label) => label <= _classNames.Length ? _classNames[label - 1] : $"class {label}";

    // RGB, 0 … 1, one plane after another.
    private static float[] Values(SKBitmap picture)
    {
        var colours = picture.Pixels;
        var values = new float[3 * colours.Length];
        for (var i = 0; i < colours.Length; i++)
        {
            values[i] = colours[i].Red / 255f;
            values[colours.Length + i] = colours[i].Green / 255f;
            values[2 * colours.Length + i] = colours[i].Blue / 255f;
        }

        return values;
    }
}
