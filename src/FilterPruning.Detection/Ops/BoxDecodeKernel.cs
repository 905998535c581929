using System.Runtime.Intrinsics;

namespace FilterPruning.Detection.Ops;

/// <summary>Boxes from regression codes in plain memory: one box is one vector of four lanes.</summary>
/// <param name="wx">Factor on the horizontal shift.</param>
/// <param name="wy">Factor on the vertical shift.</param>
/// <param name="ww">Factor on the logarithm of the width.</param>
/// <param name="wh">Factor on the logarithm of the height.</param>
/// <param name="clip">Upper bound of the decoded logarithms.</param>
internal readonly unsafe struct BoxDecodeKernel(double wx, double wy, double ww, double wh, double clip)
{
    private readonly Vector128<float> _weights = Vector128.Create((float)wx, (float)wy, (float)ww, (float)wh);
    private readonly Vector128<float> _clip = Vector128.Create((float)clip);

    /// <summary>Decodes one box.</summary>
    /// <param name="codes">Address of dx, dy, dw, dh.</param>
    /// <param name="box">Address of the box to start from: x1, y1, x2, y2.</param>
    /// <returns>x1, y1, x2, y2; undefined where a code or a coordinate is.</returns>
    public Vector128<float> Decode(float* codes, float* box)
    {
        var corners = Vector128.Load(box);
        var first = Vector128.Shuffle(corners, Vector128.Create(0, 1, 0, 1));
        var size = Vector128.Shuffle(corners, Vector128.Create(2, 3, 2, 3)) - first; // w, h, w, h
        var half = Vector128.Create(0.5f);
        var centre = first + half * size;

        var scaled = Vector128.Load(codes) / _weights;
        var moved = Vector128.Shuffle(scaled, Vector128.Create(0, 1, 0, 1)) * size + centre;
        var logarithms = Vector128.Min(Vector128.Shuffle(scaled, Vector128.Create(2, 3, 2, 3)), _clip);
        var halfSize = half * (Vector128.Exp(logarithms) * size);
        return moved + halfSize * Vector128.Create(-1f, -1f, 1f, 1f);
    }

    /// <summary>The part of a box inside an image.</summary>
    /// <param name="box">x1, y1, x2, y2.</param>
    /// <param name="limits">Width, height, width, height.</param>
    public static Vector128<float> Clip(Vector128<float> box, Vector128<float> limits) => Vector128.Min(Vector128.Max(box, Vector128<float>.Zero), limits);

    /// <summary>Whether both sides of a box are at least <paramref name="side"/> pixels; never for undefined ones.</summary>
    public static bool IsLarge(Vector128<float> box, float side) => box[2] - box[0] >= side && box[3] - box[1] >= side;
}
