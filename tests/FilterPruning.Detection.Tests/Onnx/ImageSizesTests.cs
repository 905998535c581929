using FilterPruning.Detection.Models;
using FilterPruning.Detection.Onnx;
using FilterPruning.Detection.Onnx.Schema;
using Microsoft.ML.OnnxRuntime;

namespace FilterPruning.Detection.Tests.Onnx;

/// <summary>The graph resizes to the same whole pixels as the detector: one more or less moves every box.</summary>
public sealed class ImageSizesTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("filter-pruning-onnx-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Theory]
    [InlineData(800, 1333)]
    [InlineData(320, 544)]
    [InlineData(160, 160)]
    public void Every_size_becomes_the_same(int minSize, int maxSize)
    {
        var options = new MaskRcnnOptions { MinSize = minSize, MaxSize = maxSize };
        var graph = new GraphBuilder("sizes");
        var sizes = ImageSizes.Of(graph.Input("given", TensorProto.Types.DataType.Int64, "", 2), options);
        graph.Output(sizes.Resized, "resized", TensorProto.Types.DataType.Int64, "", 2);
        graph.Output(sizes.Padded, "padded", TensorProto.Types.DataType.Int64, "", 2);
        var path = Path.Combine(_folder.FullName, "sizes.onnx");
        var model = new ModelProto { IrVersion = 8, Graph = graph.Graph, OpsetImport = { new OperatorSetIdProto { Version = 16 } } };
        OnnxFile.Write([(path, model, graph)], new OnnxExportOptions(), null);

        using var onnx = new OnnxModel(path);
        using var run = new RunOptions();
        var transform = new GeneralizedRcnnTransform(options);
        for (long side = 1; side <= 1500; side++)
        {
            foreach (var other in new[] { side, side + 51, side * 2 + 1 })
            {
                using var input = OrtValue.CreateTensorValueFromMemory(new[] { side, other }, [2]);
                using var results = onnx.Session.Run(run, ["given"], [input], ["resized", "padded"]);
                var (height, width) = transform.ResizedSize(side, other, minSize);
                long[] expected = [height, width];
                Assert.Equal(expected, results[0].GetTensorDataAsSpan<long>().ToArray());
                Assert.Equal([.. expected.Select(length => (length + 31) / 32 * 32)], results[1].GetTensorDataAsSpan<long>().ToArray());
            }
        }
    }
}
