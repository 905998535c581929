namespace FilterPruning.Detection.Data;

/// <summary>How <see cref="DetectionOverlay"/> draws.</summary>
public sealed record OverlayOptions
{
    /// <summary>Detections with a lower score are not drawn, 0 … 1. Default 0.5.</summary>
    public double ScoreThreshold { get; init; } = 0.5;

    /// <summary>A pixel belongs to the mask from this probability on, 0 … 1. Default 0.5.</summary>
    public double MaskThreshold { get; init; } = 0.5;

    /// <summary>How strongly a mask colours what is under it, 0 … 1. Default 0.45.</summary>
    public double MaskOpacity { get; init; } = 0.45;

    /// <summary>Pixels of the picture for a pixel of the image, along each side, 1 … 16: small images need room for labels. Default 1.</summary>
    public int Zoom { get; init; } = 1;

    /// <summary>Pixels for a dot of the built-in font, 1 … 16; 0 takes one for every 240 pixels of the picture's width, at least one. Default 0.</summary>
    public int TextSize { get; init; }

    /// <summary>Whether class name and score are written at each box. Default true.</summary>
    public bool ShowLabels { get; init; } = true;

    /// <summary>Throws one <see cref="ArgumentException"/> that lists every value out of its range.</summary>
    internal void Validate(string parameterName)
    {
        var errors = new List<string>();
        Check(nameof(ScoreThreshold), ScoreThreshold, 0, 1);
        Check(nameof(MaskThreshold), MaskThreshold, 0, 1);
        Check(nameof(MaskOpacity), MaskOpacity, 0, 1);
        Check(nameof(Zoom), Zoom, 1, 16);
        Check(nameof(TextSize), TextSize, 0, 16);
        if (errors.Count > 0)
            throw new ArgumentException($"{nameof(OverlayOptions)}: {string.Join("; ", errors)}.", parameterName);

        void Check(string name, double value, double low, double high)
        {
            if (!(value >= low && value <= high))
                errors.Add($"{name} is {value}, allowed is {low} … {high}");
        }
    }
}
