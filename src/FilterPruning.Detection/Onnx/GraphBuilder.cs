using System.Runtime.InteropServices;
using System.Text;
using FilterPruning.Detection.Onnx.Schema;
using Google.Protobuf;

namespace FilterPruning.Detection.Onnx;

/// <summary>Collects a graph's nodes and constants under readable names. Constants of equal values are kept once.</summary>
internal sealed class GraphBuilder
{
    private readonly GraphProto _graph;
    private readonly List<Constant> _constants = [];
    private readonly Dictionary<string, Value> _byContent = new(StringComparer.Ordinal);
    private readonly Dictionary<string, int> _used = new(StringComparer.Ordinal);
    private string _scope = "";

    public GraphBuilder(string name) => _graph = new GraphProto { Name = name };

    /// <summary>Stands for an optional input that is left out.</summary>
    public Value None => new(this, "");

    /// <summary>The graph without the values of its constants.</summary>
    public GraphProto Graph => _graph;

    /// <summary>The constants, in the order in which they were added.</summary>
    public IReadOnlyList<Constant> Constants => _constants;

    /// <summary>Names what is added from now on after a part of the model, until the next call.</summary>
    public void Enter(string scope) => _scope = scope;

    /// <summary>Adds an input.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="type">Of its elements.</param>
    /// <param name="about">What it is, for people.</param>
    /// <param name="shape">Lengths (numbers), or names of lengths that are known only at run time.</param>
    public Value Input(string name, TensorProto.Types.DataType type, string about, params object[] shape)
    {
        _graph.Input.Add(Info(name, type, about, shape));
        _used[name] = 1;
        return new Value(this, name);
    }

    /// <summary>Makes a value an output under a name.</summary>
    /// <inheritdoc cref="Input"/>
    /// <param name="value">The value.</param>
    /// <param name="name">Its name.</param>
    /// <param name="type">Of its elements.</param>
    /// <param name="about">What it is, for people.</param>
    /// <param name="shape">Lengths (numbers), or names of lengths that are known only at run time.</param>
    public void Output(Value value, string name, TensorProto.Types.DataType type, string about, params object[] shape)
    {
        _graph.Node.Add(new NodeProto { OpType = "Identity", Name = $"output/{name}", Input = { value.Name }, Output = { name } });
        _graph.Output.Add(Info(name, type, about, shape));
    }

    /// <summary>Adds an operation with one output.</summary>
    /// <param name="operation">A standard operator.</param>
    /// <param name="inputs">Its inputs.</param>
    /// <param name="attributes">Numbers (long, float), lists of longs, or text.</param>
    public Value Node(string operation, Value[] inputs, params (string Name, object Value)[] attributes) => Nodes(operation, inputs, 1, attributes)[0];

    /// <summary>Adds an operation with several outputs.</summary>
    /// <inheritdoc cref="Node"/>
    /// <param name="operation">A standard operator.</param>
    /// <param name="inputs">Its inputs.</param>
    /// <param name="outputs">How many outputs it has.</param>
    /// <param name="attributes">Numbers (long, float), lists of longs, or text.</param>
    public Value[] Nodes(string operation, Value[] inputs, int outputs, params (string Name, object Value)[] attributes)
    {
        var name = Unique(_scope.Length == 0 ? operation : $"{_scope}/{operation}");
        var node = new NodeProto { OpType = operation, Name = name };
        node.Input.AddRange(inputs.Select(input => input.Name));
        node.Attribute.AddRange(attributes.Select(Attribute));
        var values = Enumerable.Range(0, outputs).Select(i => new Value(this, outputs == 1 ? name : $"{name}:{i}")).ToArray();
        node.Output.AddRange(values.Select(value => value.Name));
        _graph.Node.Add(node);
        return values;
    }

    /// <summary>Joins along an axis.</summary>
    public Value Concat(int axis, params Value[] values) => Node("Concat", values, ("axis", (long)axis));

    public Value Scalar(float value) => Shared([value], [], TensorProto.Types.DataType.Float);

    public Value Scalar(long value) => Shared([value], [], TensorProto.Types.DataType.Int64);

    public Value Vector(params long[] values) => Shared(values, [values.Length], TensorProto.Types.DataType.Int64);

    public Value Vector(params float[] values) => Shared(values, [values.Length], TensorProto.Types.DataType.Float);

    /// <summary>float32 of any shape, row-major.</summary>
    public Value Floats(float[] values, params long[] shape) => Shared(values, shape, TensorProto.Types.DataType.Float);

    /// <summary>A vector of one value as often as a length says.</summary>
    /// <param name="length">int64, one element on one axis.</param>
    /// <param name="value">The value.</param>
    public Value Repeat(Value length, long value)
    {
        var constant = new TensorProto { Dims = { 1 }, DataType = (int)TensorProto.Types.DataType.Int64, RawData = ByteString.CopyFrom(BitConverter.GetBytes(value)) };
        return Node("ConstantOfShape", [length], ("value", constant));
    }

    /// <summary>Adds a weight under its own name.</summary>
    /// <param name="name">For instance <c>backbone.body.conv1.weight</c>.</param>
    /// <param name="type">float32 or float16.</param>
    /// <param name="shape">Lengths of its axes.</param>
    /// <param name="data">Its values, little-endian, row-major.</param>
    public Value Weight(string name, TensorProto.Types.DataType type, IEnumerable<long> shape, byte[] data)
    {
        var unique = Unique(name);
        _constants.Add(new Constant(new TensorProto { Name = unique, DataType = (int)type, Dims = { shape } }, data));
        return new Value(this, unique);
    }

    private Value Shared<T>(T[] values, long[] shape, TensorProto.Types.DataType type)
        where T : unmanaged
    {
        var data = MemoryMarshal.AsBytes<T>(values).ToArray();
        var content = $"{type} [{string.Join(',', shape)}] {Convert.ToHexString(data)}";
        if (_byContent.TryGetValue(content, out var known))
            return known;
        return _byContent[content] = Weight("constant", type, shape, data);
    }

    private string Unique(string name)
    {
        ref var count = ref CollectionsMarshal.GetValueRefOrAddDefault(_used, name, out _);
        return count++ == 0 ? name : Unique($"{name}_{count - 1}");
    }

    private static AttributeProto Attribute((string Name, object Value) attribute)
    {
        var proto = new AttributeProto { Name = attribute.Name };
        switch (attribute.Value)
        {
            case long number:
                (proto.I, proto.Type) = (number, AttributeProto.Types.AttributeType.Int);
                break;
            case float number:
                (proto.F, proto.Type) = (number, AttributeProto.Types.AttributeType.Float);
                break;
            case string text:
                (proto.S, proto.Type) = (ByteString.CopyFrom(text, Encoding.UTF8), AttributeProto.Types.AttributeType.String);
                break;
            case long[] numbers:
                proto.Ints.AddRange(numbers);
                proto.Type = AttributeProto.Types.AttributeType.Ints;
                break;
            case TensorProto tensor:
                (proto.T, proto.Type) = (tensor, AttributeProto.Types.AttributeType.Tensor);
                break;
            default:
                throw new ArgumentException($"The attribute '{attribute.Name}' is a {attribute.Value.GetType().Name}; allowed are long, float, string, long[] and TensorProto.", nameof(attribute));
        }

        return proto;
    }

    private static ValueInfoProto Info(string name, TensorProto.Types.DataType type, string about, object[] shape)
    {
        var dimensions = new TensorShapeProto();
        foreach (var length in shape)
        {
            dimensions.Dim.Add(length is string unknown
                ? new TensorShapeProto.Types.Dimension { DimParam = unknown }
                : new TensorShapeProto.Types.Dimension { DimValue = Convert.ToInt64(length, System.Globalization.CultureInfo.InvariantCulture) });
        }

        return new ValueInfoProto { Name = name, DocString = about, Type = new TypeProto { TensorType = new TypeProto.Types.Tensor { ElemType = (int)type, Shape = dimensions } } };
    }
}

/// <summary>A constant of a graph: its description, and its values apart.</summary>
internal sealed record Constant(TensorProto Tensor, byte[] Data);
