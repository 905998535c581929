using FilterPruning.Cli.Report;

namespace FilterPruning.Cli.Tests.Report;

/// <summary>What a results file may hold, and what becomes of lines that are broken, repeated or cut off.</summary>
public sealed class ResultSetTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_line_is_read_and_unknown_fields_are_passed_over()
    {
        Lines.Write(_folder["a.jsonl"], Lines.Point("l1", "local", 0.5, "none", 0.4, change: json => json["somethingNew"] = new System.Text.Json.Nodes.JsonObject { ["x"] = 1 }));
        var results = ResultSet.Read([_folder["a.jsonl"]]);

        var point = Assert.Single(results.Points);
        Assert.Empty(results.Notes);
        Assert.Equal(new PointKey("made", "small", "0123456789ab", "l1", "local", "all", 0.5, null, "none", null, false, 0, 25, 160), point.Key);
        Assert.Equal(0.4, point.MaskAP50);
        Assert.Null(point.MaskAPSmall);
        Assert.Equal(4, point.Compression);
        Assert.Equal(2, point.TheoreticalSpeedup);
        Assert.Equal(2, point.MeasuredSpeedup);
        Assert.Equal(0.5, point.FilterShare);
        Assert.Equal([160, 160], point.InputSize);
        Assert.Equal(30 + 3, Lines.Point("l1", "local", 0.5, "x", 0.4)["seconds"]!.AsObject().Sum(step => (int)step.Value!));
    }

    [Fact]
    public void What_coco_writes_as_minus_one_is_not_a_figure()
    {
        Lines.Write(_folder["a.jsonl"], Lines.Point("l1", "local", 0.5, "none", 0.4, change: json => (json["maskAPSmall"], json["iouAt50"]) = (-1, -1)));
        var point = ResultSet.Read([_folder["a.jsonl"]]).Points[0];
        Assert.Null(point.MaskAPSmall);
        Assert.Null(point.IouAt50);
    }

    [Fact]
    public void Ratios_that_differ_in_the_last_bit_are_one_key()
    {
        Lines.Write(_folder["a.jsonl"], Lines.Point("l1", "local", 0.3, "none", 0.4), Lines.Point("l1", "local", 0.1 + 0.2, "none", 0.5));
        Assert.Single(ResultSet.Read([_folder["a.jsonl"]]).Points);
    }

    [Theory]
    [InlineData("{\"dataset\": \"made\", \"model\": ", "line 2")]
    [InlineData("[1, 2]", "line 2")]
    [InlineData("{\"dataset\": \"made\"}", "\"model\"")]
    [InlineData("{\"dataset\": 3}", "\"dataset\" is 3; it must be a text")]
    [InlineData("{\"dataset\":\"a\",\"model\":\"b\",\"criterion\":\"c\",\"scope\":\"d\",\"layers\":\"e\",\"repair\":\"f\",\"maskAP50\":\"high\"}", "\"maskAP50\" is \"high\"; it must be a number or null")]
    [InlineData("{\"dataset\":\"a\",\"model\":\"b\",\"criterion\":\"c\",\"scope\":\"d\",\"layers\":\"e\",\"repair\":\"f\",\"seed\":1.5}", "\"seed\" is 1.5; it must be a whole number or null")]
    public void A_broken_line_is_named(string broken, string words)
    {
        File.WriteAllLines(_folder["a.jsonl"], [Lines.Dense().ToJsonString(), broken, Lines.Dense().ToJsonString()]);
        var error = Assert.Throws<ArgumentException>(() => ResultSet.Read([_folder["a.jsonl"]]));
        Assert.Contains("a.jsonl', line 2", error.Message, StringComparison.Ordinal);
        Assert.Contains(words, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_last_line_without_an_end_that_is_half_an_object_is_what_a_stopped_run_leaves()
    {
        var whole = Lines.Dense().ToJsonString();
        File.WriteAllText(_folder["a.jsonl"], whole + "\n" + whole[..(whole.Length / 2)]);
        var results = ResultSet.Read([_folder["a.jsonl"]]);
        Assert.Single(results.Points);
        Assert.Contains("a.jsonl:2", Assert.Single(results.Notes), StringComparison.Ordinal);
    }

    [Fact]
    public void Of_two_lines_with_one_key_the_later_counts_also_across_files_and_it_is_said()
    {
        Lines.Write(_folder["a.jsonl"], Lines.Dense(0.7), Lines.Point("l1", "local", 0.5, "none", 0.4));
        Lines.Write(_folder["b.jsonl"], Lines.Point("l2", "local", 0.5, "none", 0.3), Lines.Dense(0.8));
        var results = ResultSet.Read([_folder["a.jsonl"], _folder["b.jsonl"]]);

        Assert.Equal(3, results.Points.Count);
        Assert.Equal(0.8, results.Points[0].MaskAP50);
        var note = Assert.Single(results.Notes);
        Assert.StartsWith("b.jsonl:2 repeats a.jsonl:1", note, StringComparison.Ordinal);
    }

    [Fact]
    public void Everything_that_makes_another_measurement_makes_another_key()
    {
        (string Part, System.Text.Json.Nodes.JsonNode Value)[] changes =
        [
            ("dataset", "x"), ("model", "x"), ("checkpoint", "x"), ("criterion", "x"), ("scope", "x"), ("layers", "x"), ("ratio", 0.6), ("target", "macs:0.5"),
            ("repair", "x"), ("images", 4), ("fineTuned", true), ("seed", 7), ("evalImages", 50), ("evalSize", 320), ("variant", "x"),
        ];
        Lines.Write(_folder["a.jsonl"], [Lines.Point("l1", "local", 0.5, "none", 0.4), .. changes.Select(change => Lines.Point("l1", "local", 0.5, "none", 0.4, change: json => json[change.Part] = change.Value))]);
        Assert.Equal(1 + changes.Length, ResultSet.Read([_folder["a.jsonl"]]).Points.Count);
    }

    [Fact]
    public void A_compression_that_contradicts_the_parameters_is_noted()
    {
        Lines.Write(_folder["a.jsonl"], Lines.Point("l1", "local", 0.5, "none", 0.4, change: json => json["compression"] = 2.5));
        var results = ResultSet.Read([_folder["a.jsonl"]]);
        Assert.Contains("2.5", Assert.Single(results.Notes), StringComparison.Ordinal);
        Assert.Equal(4, results.Points[0].Compression);
    }

    [Theory]
    [InlineData(new[] { 0.5 }, 0.5, 0.0)]
    [InlineData(new[] { 1.0, 2, 3 }, 2.0, 1.0)]
    [InlineData(new[] { 0.2, 0.6 }, 0.4, 0.28284271247461901)]
    public void Spread_is_the_samples(double[] values, double mean, double deviation)
    {
        var spread = Spread.Of([.. values.Select(value => (double?)value), null])!.Value;
        Assert.Equal(values.Length, spread.Count);
        Assert.Equal(mean, spread.Mean, 12);
        Assert.Equal(deviation, spread.Deviation, 12);
        Assert.Equal(values.Min(), spread.Low);
        Assert.Equal(values.Max(), spread.High);
        Assert.Null(Spread.Of([null]));
    }
}
