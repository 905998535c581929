using FilterPruning.Graph;
using FilterPruning.Tests.Tracing;

namespace FilterPruning.Tests.Graphs;

public class DrawingTests
{
    private static DependencyGraph Flatten()
    {
        using var net = Nets.Flatten();
        using var x = randn(2, 3, 16, 16);
        return DependencyGraph.Trace(net, x);
    }

    [Fact]
    public void Mermaid_shows_layers_edges_and_what_stays() => Assert.Equal(
        """
        flowchart TD
            n0["conv<br/>Conv2d 3 → 6"]
            n1["fc<br/>Linear 294 → 9"]
            n2["last<br/>Linear 9 → 5"]:::stays
            n0 -->|6 → 294| n1
            n1 --> n2
            classDef stays stroke-dasharray: 4 4

        """,
        Flatten().ToMermaid());

    [Fact]
    public void Dot_shows_the_same() => Assert.Equal(
        """
        digraph model {
            node [shape=box];
            n0 [label="conv\nConv2d 3 → 6"];
            n1 [label="fc\nLinear 294 → 9"];
            n2 [label="last\nLinear 9 → 5", style=dashed];
            n0 -> n1 [label="6 → 294"];
            n1 -> n2;
        }

        """,
        Flatten().ToDot());
}
