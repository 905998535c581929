using FilterPruning.Detection.Onnx.Schema;

namespace FilterPruning.Detection.Onnx;

/// <summary>A tensor in a graph that is being written: operators and methods on it add nodes, so that code here reads like code on tensors.</summary>
/// <param name="Graph">The graph.</param>
/// <param name="Name">Its name there; empty for an input that is left out.</param>
internal readonly record struct Value(GraphBuilder Graph, string Name)
{
    public static Value operator +(Value a, Value b) => a.Graph.Node("Add", [a, b]);

    public static Value operator -(Value a, Value b) => a.Graph.Node("Sub", [a, b]);

    public static Value operator *(Value a, Value b) => a.Graph.Node("Mul", [a, b]);

    public static Value operator /(Value a, Value b) => a.Graph.Node("Div", [a, b]);

    public static Value operator +(Value a, float b) => a + a.Graph.Scalar(b);

    public static Value operator -(Value a, float b) => a - a.Graph.Scalar(b);

    public static Value operator *(Value a, float b) => a * a.Graph.Scalar(b);

    public static Value operator /(Value a, float b) => a / a.Graph.Scalar(b);

    public static Value operator +(Value a, long b) => a + a.Graph.Scalar(b);

    public static Value operator -(Value a, long b) => a - a.Graph.Scalar(b);

    public static Value operator *(Value a, long b) => a * a.Graph.Scalar(b);

    /// <summary>Of integers, rounded toward zero.</summary>
    public static Value operator /(Value a, long b) => a / a.Graph.Scalar(b);

    /// <summary>Of integers that are not negative.</summary>
    public static Value operator %(Value a, Value b) => a.Graph.Node("Mod", [a, b]);

    public static Value operator %(Value a, long b) => a % a.Graph.Scalar(b);

    public static Value operator &(Value a, Value b) => a.Graph.Node("And", [a, b]);

    /// <summary>A function of one tensor without attributes.</summary>
    public Value Apply(string operation) => Graph.Node(operation, [this]);

    public Value Relu() => Apply("Relu");

    public Value Min(Value other) => Graph.Node("Min", [this, other]);

    public Value Max(Value other) => Graph.Node("Max", [this, other]);

    public Value EqualTo(Value other) => Graph.Node("Equal", [this, other]);

    public Value AtLeast(float least) => Graph.Node("GreaterOrEqual", [this, Graph.Scalar(least)]);

    public Value Above(float limit) => Graph.Node("Greater", [this, Graph.Scalar(limit)]);

    /// <summary>Where this is true one value, elsewhere the other.</summary>
    public Value Choose(Value whenTrue, Value whenFalse) => Graph.Node("Where", [this, whenTrue, whenFalse]);

    public Value ToFloat() => To(TensorProto.Types.DataType.Float);

    public Value ToDouble() => To(TensorProto.Types.DataType.Double);

    /// <summary>Integers; fractions are cut off toward zero.</summary>
    public Value ToInt() => To(TensorProto.Types.DataType.Int64);

    /// <summary>The lengths of the axes from <paramref name="start"/> on, int64, one axis.</summary>
    public Value Shape(int start = 0, int? end = null) =>
        end is { } last ? Graph.Node("Shape", [this], ("start", (long)start), ("end", (long)last)) : Graph.Node("Shape", [this], ("start", (long)start));

    /// <summary>The length of one axis, int64, one element on one axis.</summary>
    public Value Length(int axis = 0) => Shape(axis, axis + 1);

    /// <summary>−1 stands for what is left, 0 for the length this axis has.</summary>
    public Value Reshape(params long[] shape) => Graph.Node("Reshape", [this, Graph.Vector(shape)]);

    public Value Transpose(params long[] axes) => Graph.Node("Transpose", [this], ("perm", axes));

    public Value Unsqueeze(params long[] axes) => Graph.Node("Unsqueeze", [this, Graph.Vector(axes)]);

    public Value Gather(Value indices, int axis = 0) => Graph.Node("Gather", [this, indices], ("axis", (long)axis));

    /// <summary>Elements <paramref name="from"/> to before <paramref name="to"/> of an axis.</summary>
    public Value Slice(int axis, long from, long to) => Graph.Node("Slice", [this, Graph.Vector(from), Graph.Vector(to), Graph.Vector(axis)]);

    /// <summary>One row <paramref name="index"/> of an axis, the axis kept.</summary>
    public Value At(int axis, long index) => Slice(axis, index, index + 1);

    /// <summary>The best along the only axis; of equal ones the first comes first.</summary>
    /// <param name="count">How many, int64, one element on one axis.</param>
    /// <param name="largest">Whether the largest are the best.</param>
    public (Value Values, Value Indices) TopK(Value count, bool largest = true)
    {
        var outputs = Graph.Nodes("TopK", [this, count], 2, ("axis", 0L), ("largest", largest ? 1L : 0L), ("sorted", 1L));
        return (outputs[0], outputs[1]);
    }

    /// <summary>Where this vector is true: ascending indices, int64, one axis.</summary>
    public Value WhereTrue() => Apply("NonZero").Reshape(-1);

    private Value To(TensorProto.Types.DataType type) => Graph.Node("Cast", [this], ("to", (long)type));
}
