using System.Text;
using FilterPruning.Detection.Models;

namespace FilterPruning.Detection.Tests.ModelTests;

/// <summary>The weights, images and masks of the parity fixtures, by the formula of tests/fixtures/parity/make_parity.py; bit for bit the same float32 numbers.</summary>
internal static class ParityFormula
{
    public static float[] Uniform(string key, int count)
    {
        var hash = Fnv1a(key);
        var values = new float[count];
        for (var i = 0; i < count; i++)
        {
            var x = unchecked(((uint)i * 0x9E3779B1u) + hash);
            x = unchecked(((x >> 16) ^ x) * 0x45D9F3Bu);
            x = unchecked(((x >> 16) ^ x) * 0x45D9F3Bu);
            x = (x >> 16) ^ x;
            values[i] = ((x >> 8) * (2f / 16777216)) - 1f;
        }

        return values;
    }

    public static void Fill(MaskRcnnModel model, string salt, bool basic)
    {
        using var scope = NewDisposeScope();
        using var guard = no_grad();
        foreach (var (key, tensor) in model.state_dict())
        {
            if (key.EndsWith("num_batches_tracked", StringComparison.Ordinal))
                continue;
            var (scale, offset) = ScaleAndOffset((basic ? "basic." : "") + key, tensor.shape);
            var values = Uniform(salt + key, (int)tensor.NumberOfElements);
            for (var i = 0; i < values.Length; i++)
                values[i] = (values[i] * scale) + offset;
            using var filled = torch.tensor(values);
            tensor.copy_(filled.view(tensor.shape));
        }
    }

    public static Tensor Image(int index, int height, int width)
    {
        var values = new float[3 * height * width];
        for (var c = 0; c < 3; c++)
        {
            var cells = Uniform($"cell {index} {c}", 32 * 32);
            var noise = Uniform($"noise {index} {c}", height * width);
            for (var y = 0; y < height; y++)
            {
                for (var x = 0; x < width; x++)
                    values[(((c * height) + y) * width) + x] = 0.5f + (cells[(y / 16 * 32) + (x / 16)] * 0.375f) + (noise[(y * width) + x] * 0.125f);
            }
        }

        return tensor(values).view(3, height, width);
    }

    public static Target Target(int[][] objects, int height, int width)
    {
        var masks = new byte[objects.Length * height * width];
        for (var i = 0; i < objects.Length; i++)
        {
            var (x1, y1, x2, y2) = (objects[i][0], objects[i][1], objects[i][2], objects[i][3]);
            for (var y = y1; y < y2; y++)
            {
                for (var x = x1; x < x2; x++)
                    masks[(((i * height) + y) * width) + x] = x - x1 + y - y1 >= (x2 - x1) / 3 ? (byte)1 : (byte)0;
            }
        }

        return new Target(
            tensor(objects.SelectMany(o => o[..4]).Select(v => (float)v).ToArray()).view(-1, 4),
            tensor(objects.Select(o => (long)o[4]).ToArray()),
            tensor(masks).view(objects.Length, height, width));
    }

    private static uint Fnv1a(string text)
    {
        var hash = 2166136261u;
        foreach (var b in Encoding.UTF8.GetBytes(text))
            hash = unchecked((hash ^ b) * 16777619u);
        return hash;
    }

    private static (float Scale, float Offset) ScaleAndOffset(string key, long[] shape)
    {
        if (key.EndsWith("running_var", StringComparison.Ordinal))
            return (0.3f, 1f);
        if (key.EndsWith("running_mean", StringComparison.Ordinal))
            return (0.1f, 0f);
        if (shape.Length == 1)
        {
            var norm = key.Contains(".bn", StringComparison.Ordinal) || key.Contains("downsample.1", StringComparison.Ordinal);
            if (!norm || key.EndsWith("bias", StringComparison.Ordinal))
                return (0.1f, 0f);
            var last = key.EndsWith("bn3.weight", StringComparison.Ordinal)
                || (key.EndsWith("bn2.weight", StringComparison.Ordinal) && key.Contains("basic", StringComparison.Ordinal));
            return last ? (0.1f, 0.4f) : (0.2f, 1f);
        }

        var fanIn = key.Contains("conv5_mask", StringComparison.Ordinal) ? shape[0] : shape.Skip(1).Aggregate(1L, (a, b) => a * b);
        var gain = Math.Sqrt(2.0);
        (string Part, double Gain)[] gains =
        [
            ("fpn.", 1.0), ("downsample", 1.0), ("cls_logits", 1.0), ("rpn.head.bbox_pred", 0.3), ("cls_score", 1.2), ("box_predictor.bbox_pred", 0.5), ("mask_fcn_logits", 0.8),
        ];
        foreach (var (part, value) in gains)
        {
            if (key.Contains(part, StringComparison.Ordinal))
                gain = value;
        }

        return ((float)(gain * Math.Sqrt(3.0 / fanIn)), 0f);
    }
}
