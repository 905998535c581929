using FilterPruning.Detection.Data;
using FilterPruning.Detection.Models;

namespace FilterPruning.Cli.Demo;

/// <summary>The same scenes through the eyes of every model, side by side.</summary>
internal static class DemoPictures
{
    public static IReadOnlyList<DemoPicture> Draw(
        IReadOnlyList<(string Title, MaskRcnnModel Model)> models, IReadOnlyList<Tensor> scenes, int count, IReadOnlyList<string> classNames)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        // Scenes with most to see make the best pictures.
        var chosen = scenes.Select((scene, index) => (scene, index, found: models[0].Model.Detect([scene])[0]))
            .OrderByDescending(entry => (entry.found.Scores > 0.5).sum().item<long>())
            .Take(count);
        return [.. chosen.Select(entry => new DemoPicture(
            $"scene {entry.index}",
            DetectionOverlay.SideBySide(
                [.. models.Select(model => new OverlayPanel(model.Title, entry.scene, model.Model.Detect([entry.scene])[0]))], classNames, new OverlayOptions { Zoom = 2 })))];
    }
}
