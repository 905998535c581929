using System.Text;
using System.Text.Json;
using FilterPruning.Schedules;

namespace FilterPruning.Fuzz.Core;

/// <summary>The file of a sensitivity scan: JSON lines.</summary>
internal sealed class ScanTarget : JsonTarget
{
    public override string Name => "scan";

    public override double BytesPerByte => 150;

    public override IEnumerable<byte[]> Seeds()
    {
        using var plan = JsonDocument.Parse(PlanTarget.RealPlan());
        var settings = JsonSerializer.Serialize(plan.RootElement.GetProperty("settings"));
        yield return Encoding.UTF8.GetBytes(
            $$"""
            {"format":"filter-pruning sensitivity 1","model":"ab","label":"","settings":{{settings}},"ratios":[0.1,0.5],"points":2,"baseline":0.75}
            {"role":"conv1","ratio":0.1,"removed":6,"of":64,"metric":0.7}
            {"role":"conv1","ratio":0.5,"removed":32,"of":64,"metric":0.5}
            """);
    }

    public override long Read(byte[] input)
    {
        SensitivityFile.Parse("fuzz", Text(input).Split('\n')).ToText();
        return 0;
    }

    public override byte[] Repair(byte[] input, Engine.Mutator mutator)
    {
        var lines = Text(input).Split('\n');
        var at = mutator.Random.Below(lines.Length);
        lines[at] = Engine.JsonShape.Change(lines[at], mutator);
        return Encoding.UTF8.GetBytes(string.Join('\n', lines));
    }
}
