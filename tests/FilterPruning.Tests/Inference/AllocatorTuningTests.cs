using FilterPruning.Inference;

namespace FilterPruning.Tests.InferenceTests;

public class AllocatorTuningTests
{
    [Fact]
    public void The_GNU_C_library_takes_the_setting_and_others_say_no()
    {
        var isGnu = OperatingSystem.IsLinux() && System.Runtime.InteropServices.NativeLibrary.TryLoad("libc.so.6", out _);
        Assert.Equal(isGnu, AllocatorTuning.KeepFreedMemory());
        using var large = ones(32 << 20);
        Assert.Equal(32 << 20, large.sum().item<float>());
    }
}
