namespace FilterPruning.Zoo;

public sealed class ParameterCountsTests
{
    // torchvision 0.14.1: sum(p.numel() for p in getattr(torchvision.models, name)().parameters()); googlenet and inception_v3 with aux_logits=False.
    [Theory]
    [InlineData("alexnet", 61_100_840)]
    [InlineData("vgg16_bn", 138_365_992)]
    [InlineData("resnet18", 11_689_512)]
    [InlineData("resnet50", 25_557_032)]
    [InlineData("resnext50_32x4d", 25_028_904)]
    [InlineData("wide_resnet50_2", 68_883_240)]
    [InlineData("mobilenet_v2", 3_504_872)]
    [InlineData("mobilenet_v3_large", 5_483_032)]
    [InlineData("densenet121", 7_978_856)]
    [InlineData("googlenet", 6_624_904)]
    [InlineData("inception_v3", 23_834_568)]
    [InlineData("squeezenet1_1", 1_235_496)]
    [InlineData("shufflenet_v2_x1_0", 2_278_604)]
    [InlineData("efficientnet_b0", 5_288_548)]
    [InlineData("regnet_y_400mf", 4_344_144)]
    [InlineData("mnasnet1_0", 4_383_312)]
    [InlineData("convnext_tiny", 28_589_128)]
    public void AModelHasAsManyParametersAsTheOriginal(string name, long expected)
    {
        using var scope = NewDisposeScope();
        using var model = ZooCatalogue.All[name].Create();
        Assert.Equal(expected, model.parameters().Sum(parameter => parameter.numel()));
    }
}
