using System.Text.Json.Serialization;

namespace FilterPruning.Detection.Onnx;

[JsonSerializable(typeof(string[]))]
internal sealed partial class OnnxJson : JsonSerializerContext;
