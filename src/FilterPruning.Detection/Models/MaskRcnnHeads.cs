namespace FilterPruning.Detection.Models;

/// <summary>The mask branch's layers. torchvision <c>detection/mask_rcnn.py</c>, <c>MaskRCNNHeads</c> and <c>MaskRCNNPredictor</c>.</summary>
internal static class MaskRcnnHeads
{
    /// <summary>3×3 convolutions with ReLU, keys <c>0.0.weight</c>, <c>1.0.weight</c>, …: <c>[N, input, 14, 14]</c> → <c>[N, channels, 14, 14]</c>.</summary>
    public static TorchSharp.Modules.Sequential Create(int input, int channels, int layers, Generator generator)
    {
        var blocks = new List<nn.Module<Tensor, Tensor>>();
        for (var i = 0; i < layers; i++)
        {
            var convolution = nn.Conv2d(i == 0 ? input : channels, channels, 3, padding: 1);
            WeightInit.KaimingNormalFanOut(convolution.weight!, generator);
            WeightInit.Zero(convolution.bias!);
            blocks.Add(nn.Sequential(convolution, nn.ReLU(inplace: true)));
        }

        return nn.Sequential(blocks);
    }
}
