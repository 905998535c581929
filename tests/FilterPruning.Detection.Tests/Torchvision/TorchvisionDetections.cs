using System.Text.Json;
using FilterPruning.Detection.Models;
using FilterPruning.Detection.Tests.Data;
using FilterPruning.Detection.Torchvision;
using FilterPruning.Storage;
using FilterPruning.Tests.Shared;

namespace FilterPruning.Detection.Tests.TorchvisionTests;

/// <summary>What Debian's torchvision finds with an exported detector, compared with what the detector finds here.</summary>
internal static class TorchvisionDetections
{
    public const double BoxTolerance = 0.05;
    public const double ScoreTolerance = 1e-3;

    /// <summary>Exports models, runs all of them in one Python process, and checks that they find the same. Returns the number of detections.</summary>
    public static int CheckSame(TemporaryFolder folder, IReadOnlyList<Tensor> images, params (string Name, MaskRcnnModel Model, DetectorDescription Description)[] models)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        SafetensorsFile.Write(folder.File("images.safetensors"), images.Select((image, i) => KeyValuePair.Create($"{i:000}", image)));
        foreach (var (name, model, description) in models)
            TorchvisionExporter.Export(model, description, folder.File(name));
        var script = Path.Combine(AppContext.BaseDirectory, "Torchvision", "detect_all.py");
        var sizes = JsonSerializer.Deserialize<long[][][]>(DebianTorchvision.Run(script, [folder.File("images.safetensors"), folder.File("found"), .. models.Select(model => folder.File(model.Name))]))!;
        var count = 0;
        for (var number = 0; number < models.Length; number++)
        {
            var here = models[number].Model.Detect(images);
            for (var i = 0; i < images.Count; i++)
            {
                var there = Read(folder, number, i, sizes[number][i]);
                Compare($"{models[number].Name}, image {i}", here[i], there);
                count += here[i].Count;
            }
        }

        return count;
    }

    /// <summary>Pairs detections by label and place, so that equal scores may stand in either order.</summary>
    private static void Compare(string what, Detection.Models.Detection here, Detection.Models.Detection there)
    {
        Assert.True(here.Count == there.Count, $"{what}: {here.Count} detections here, {there.Count} in torchvision");
        var left = Enumerable.Range(0, there.Count).ToList();
        for (var i = 0; i < here.Count; i++)
        {
            var match = left.Where(j => here.Labels[i].item<long>() == there.Labels[j].item<long>()).Select(j => (j, far: (here.Boxes[i] - there.Boxes[j]).abs().max().item<float>()))
                .OrderBy(pair => pair.far).FirstOrDefault((j: -1, far: float.PositiveInfinity));
            Assert.True(match.far <= BoxTolerance, $"{what}: detection {i} is {match.far} px from its nearest partner");
            left.Remove(match.j);
            Assert.Equal(there.Scores[match.j].item<float>(), here.Scores[i].item<float>(), ScoreTolerance);
            // A box's edge that moves by a rounding moves a mask by a pixel; inside, probabilities agree.
            var differ = (here.Masks[i] - there.Masks[match.j]).abs();
            Assert.True(differ.mean().item<float>() < 1e-3, $"{what}: the mask of detection {i} differs by {differ.mean().item<float>()} on average");
            var (a, b) = (here.Masks[i] > 0.5, there.Masks[match.j] > 0.5);
            var either = a.logical_or(b).sum().item<long>();
            Assert.True(a.logical_and(b).sum().item<long>() >= 0.99 * either, $"{what}: the mask of detection {i} has another outline");
        }
    }

    private static Detection.Models.Detection Read(TemporaryFolder folder, int number, int image, long[] size)
    {
        Tensor Field(string name, params long[] shape)
        {
            var bytes = File.ReadAllBytes(folder.File($"found.{number}.{image}.{name}"));
            var values = new float[bytes.Length / sizeof(float)];
            Buffer.BlockCopy(bytes, 0, values, 0, bytes.Length);
            return tensor(values).reshape(shape);
        }

        return new Detection.Models.Detection(Field("boxes", size[0], 4), Field("labels", size[0]).to(int64), Field("scores", size[0]), Field("masks", size));
    }
}
