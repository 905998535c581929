using System.Diagnostics;
using FilterPruning.Graph;
using static TorchSharp.torch.nn;
using F = TorchSharp.torch.nn.functional;

namespace FilterPruning.Zoo;

/// <summary>
/// TorchSharp 0.107 does not catch what libtorch throws in <c>matmul</c>: factors whose widths disagree end the process, and no handler sees it. Tracing runs the model's code on
/// fewer channels, and must not do so where such a product would be. The trial therefore has a process of its own.
/// </summary>
public sealed class MatmulTests
{
    [Fact]
    public async Task Tracing_a_product_with_a_bare_matrix_does_not_end_the_process()
    {
        var program = Path.ChangeExtension(typeof(MatmulTests).Assembly.Location, OperatingSystem.IsWindows() ? "exe" : null);
        var start = new ProcessStartInfo(program, ["-explicit", "only", "-method", $"{typeof(MatmulTests).FullName}.{nameof(Trace_a_product_with_a_bare_matrix)}"])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        using var child = Process.Start(start)!;
        var (output, errors) = (child.StandardOutput.ReadToEndAsync(), child.StandardError.ReadToEndAsync());
        await child.WaitForExitAsync();
        Assert.True(child.ExitCode == 0, $"It ended with exit code {child.ExitCode}.\n{await output}\n{await errors}");
    }

    [Fact(Explicit = true)]
    public void Trace_a_product_with_a_bare_matrix()
    {
        using var scope = NewDisposeScope();
        using var net = new Net(
            (n, x) => n.Call("last", F.relu(matmul(F.relu(n.Call("first", F.relu(n.Call("stem", x)))), n.get_parameter("matrix")!))),
            ("stem", Linear(6, 10)), ("first", Linear(10, 8)), ("last", Linear(7, 5))).WithParameter("matrix", 8, 7);
        var graph = DependencyGraph.Trace(net, rand(4, 6));
        Assert.Contains("10 x first.in stem.out", GroupText.Free(graph));
    }
}
