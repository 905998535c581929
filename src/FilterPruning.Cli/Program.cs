using FilterPruning.Cli;

if (!LibTorch.TryLoad())
{
    Console.Error.WriteLine(LibTorch.HowToGetIt());
    return 2;
}

Console.WriteLine(TorchSharp.torch.ones(3).sum().item<float>());
return 0;
