namespace FilterPruning.Detection.Data.Scenes;

/// <summary>The outlines of a scene. The first five are the classes, in the order of their labels; the others belong to no class.</summary>
internal enum ShapeKind
{
    Ellipse,
    Triangle,
    Box,
    Star,
    Ring,
    Cross,
    Arc,
    Crescent,
    Hexagon,
    Blob,
    Line,
}
