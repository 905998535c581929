using System.Text.Json.Nodes;
using FilterPruning.Cli.Report;

namespace FilterPruning.Cli.Tests.Report;

/// <summary>Tables of points made by hand, whose figures are known.</summary>
public sealed class StudyTablesTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Raw_stands_beside_repaired_with_shares_of_the_dense_model()
    {
        var table = Table("accuracy", Lines.Dense(0.8), Lines.Point("l1", "local", 0.5, "none", 0.2), Lines.Point("l1", "local", 0.5, "least-squares", 0.6));

        var row = Assert.Single(table.Rows);
        Assert.Equal("l1", row["criterion"]);
        Assert.Equal("50 %", row["to remove"]);
        Assert.Equal("4.00", row["compression"]);
        Assert.Equal("0.200", row["AP50 raw"]);
        Assert.Equal("0.600", row["AP50"]);
        Assert.Equal("0.550–0.650", row["95 %"]);
        Assert.Equal("75.0 %", row["of dense"]);
        Assert.Equal("0.600 (0.200)", row["IoU@0.5 (match rate) raw"]);
        Assert.Equal("0.800 (0.600)", row["IoU@0.5 (match rate)"]);
        Assert.Contains("Dense: AP50 0.800, AP75 0.200, IoU@0.5 0.900 (match rate 0.800), 1.00 M parameters, 2.00 G MACs at 160 × 160.", table.Below, StringComparison.Ordinal);
        Assert.Contains("repair: least-squares (16 images)", table.Below, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("accuracy repair=least-squares")]
    [InlineData("accuracy images=16")]
    [InlineData("accuracy ratio=0.5 fineTuned=false")]
    public void The_raw_cut_stands_beside_whatever_repaired_points_are_asked_for(string request) =>
        Assert.Equal("0.200", Assert.Single(Table(request, Lines.Dense(), Lines.Point("l1", "local", 0.5, "none", 0.2), Lines.Point("l1", "local", 0.5, "least-squares", 0.6)).Rows)["AP50 raw"]);

    [Fact]
    public void Seeds_become_mean_deviation_and_range()
    {
        var table = Table("accuracy", Lines.Dense(0.8), Lines.Point("random", "local", 0.5, "least-squares", 0.2, 0), Lines.Point("random", "local", 0.5, "least-squares", 0.4, 1), Lines.Point("random", "local", 0.5, "least-squares", 0.6, 2));

        var row = Assert.Single(table.Rows);
        Assert.Equal("random, 3 seeds", row["criterion"]);
        Assert.Equal("0.400 ± 0.200 (0.200–0.600)", row["AP50"]);
        Assert.Equal("0.150–0.650", row["95 %"]);
        Assert.Equal("50.0 %", row["of dense"]);
        Assert.Equal("–", row["AP50 raw"]);
        Assert.Contains("standard deviation", table.Below, StringComparison.Ordinal);
    }

    [Fact]
    public void Without_a_dense_model_on_the_same_images_there_is_no_share()
    {
        var table = Table("accuracy", Lines.Dense(0.8), Lines.Point("l1", "local", 0.5, "none", 0.2, change: json => json["evalImages"] = 50));
        Assert.Equal("–", Assert.Single(table.Rows)["of dense"]);
        Assert.DoesNotContain("Dense:", table.Below, StringComparison.Ordinal);
    }

    [Fact]
    public void What_varies_is_a_column_and_what_does_not_stands_below()
    {
        var points = new[] { Lines.Dense(), Lines.Point("l1", "local", 0.5, "none", 0.2), Lines.Point("l1", "local", 0.5, "none", 0.3, change: json => json["layers"] = "inner") };
        var table = Table("accuracy", points);
        Assert.Equal(["all", "inner"], table.Rows.Select(row => row["layers"]));
        Assert.DoesNotContain("layers:", table.Below, StringComparison.Ordinal);

        var one = Table("accuracy layers=inner", points);
        Assert.False(Assert.Single(one.Rows).ContainsKey("layers"));
        Assert.Contains("layers: inner", one.Below, StringComparison.Ordinal);
    }

    [Fact]
    public void Rows_stand_in_the_order_of_criterion_scope_and_ratio()
    {
        var table = Table("accuracy", Lines.Point("zeta", "local", 0.1, "none", 0), Lines.Point("l1", "local", 0.5, "none", 0), Lines.Point("l1", "local", 0.1, "none", 0), Lines.Point("l1", "global-raw", 0.9, "none", 0), Lines.Point("l1", "local", 0.1, "none", 0, change: json =>
        {
            json["ratio"] = null;
            json["target"] = "macs:0.5";
        }));
        Assert.Equal(["l1 global-raw 90 %", "l1 local 10 %", "l1 local 50 %", "l1 local macs:0.5", "zeta local 10 %"], table.Rows.Select(row => $"{row["criterion"]} {row["scope"]} {row["to remove"]}"));
    }

    [Fact]
    public void A_point_that_was_not_measured_says_why()
    {
        var table = Table("accuracy", Lines.Dense(), Lines.Point("l1", "global-raw", 0.9, "none", 0, change: json =>
        {
            json["status"] = "the floor keeps more";
            foreach (var name in new[] { "maskAP", "maskAP50", "maskAP75", "iouAt50", "matchRate", "maskAP50Low", "maskAP50High" })
                json[name] = null;
        }));
        Assert.Equal("–", Assert.Single(table.Rows)["AP50 raw"]);
        Assert.Contains("Not measured: l1, global-raw, 90 %, none: the floor keeps more", table.Below, StringComparison.Ordinal);
    }

    [Fact]
    public void A_points_note_stands_below()
    {
        var table = Table("accuracy", Lines.Dense(), Lines.Point("l1", "local", 0.5, "none", 0.2, change: json => json["note"] = "another machine"));
        Assert.Contains("Note (l1, local, 50 %, none): another machine", table.Below, StringComparison.Ordinal);
    }

    [Fact]
    public void Training_has_a_column_where_something_was_trained()
    {
        void Trained(JsonObject json)
        {
            json["fineTuned"] = true;
            json["seconds"] = new JsonObject { ["treat"] = 600, ["repair"] = null };
        }

        JsonObject[] points = [Lines.Dense(), Lines.Point("l1", "local", 0.5, "least-squares", 0.6), Lines.Point("l1", "local", 0.5, "least-squares", 0.7, change: Trained)];
        Assert.Equal(["–", "600.0"], Table("cost", points).Rows.Select(row => row["fine-tuning, s"]));
        Assert.DoesNotContain("fine-tuning, s", Table("cost fineTuned=false", points).Headers);
        Assert.Equal(["least-squares (16 images)", "least-squares (16 images), fine-tuned"], Table("accuracy", points).Rows.Select(row => row["repair"]));
    }

    [Fact]
    public void A_model_trained_from_scratch_is_neither_raw_nor_repaired()
    {
        JsonObject[] points = [Lines.Dense(), Lines.Point("l1", "local", 0.6, "none", 0.1), Lines.Point("l1", "local", 0.6, "none", 0.79, change: json => json["variant"] = "from scratch")];
        var row = Assert.Single(Table("accuracy", points).Rows);
        Assert.Equal(("0.100", "0.790", "none (from scratch)"), (row["AP50 raw"], row["AP50"], Table("measurements ratio=0.6", points).Rows[1]["repair"]));
        Assert.Equal("not measured", Table("goals", points).Rows.Single(goal => goal["setting"] == "60 % of all filters")["reached"]);
        Assert.All(CurveLine.Of(Read(points).Points), line => Assert.Equal(CurveKind.Raw, line.Kind));
    }

    [Fact]
    public void Costs_are_in_their_units()
    {
        var row = Assert.Single(Table("cost", Lines.Dense(), Lines.Point("l1", "local", 0.5, "least-squares", 0.6, change: json =>
        {
            json["fileBytes"] = 1_250_000;
            json["peakMemoryBytes"] = 300_000_000;
        })).Rows);
        Assert.Equal("250 (50.0 %)", row["filters removed"]);
        Assert.Equal("0.25", row["parameters, M"]);
        Assert.Equal("4.00", row["compression"]);
        Assert.Equal("1.00", row["MACs, G"]);
        Assert.Equal("50.0 %", row["MACs of dense"]);
        Assert.Equal("2.00 ×", row["theoretical speed-up"]);
        Assert.Equal("1.3", row["file, MB"]);
        Assert.Equal("20.0 (25.0)", row["latency p50 (p95), ms"]);
        Assert.Equal("40.0 (50.0)", row["dense, same run"]);
        Assert.Equal("2.00 ×", row["measured speed-up"]);
        Assert.Equal("300", row["peak memory, MB"]);
        Assert.Equal("3.0", row["score + plan, s"]);
        Assert.Equal("30.0", row["repair, s"]);
        Assert.Equal("–", row["cut + proof, s"]);
        Assert.Equal("0.600", row["AP50"]);
        Assert.Equal("0.800 (0.600)", row["IoU@0.5 (match rate)"]);
    }

    [Fact]
    public void Both_readings_stand_in_every_table()
    {
        var points = new[] { Lines.Dense(), Lines.Point("l1", "local", 0.4, "none", 0.2), Lines.Point("l1", "local", 0.4, "least-squares", 0.6) };
        Assert.All(StudyTables.Kinds.Except(["curves"]), kind =>
        {
            var headers = Table(kind, points).Headers;
            Assert.Contains("AP50", headers);
            Assert.Contains("IoU@0.5 (match rate)", headers);
        });
    }

    [Fact]
    public void A_goal_is_reached_or_not_and_random_and_raw_stand_beside_it()
    {
        var rows = Table("goals", Lines.Dense(0.8), Lines.Point("l1", "local", 0.6, "none", 0.1), Lines.Point("l1", "local", 0.6, "least-squares", 0.7), Lines.Point("gram", "local", 0.6, "least-squares", 0.77), Lines.Point("gram", "local", 0.6, "none", 0.05), Lines.Point("random", "local", 0.6, "least-squares", 0.78), Lines.Point("l1", "local", 0.7, "least-squares", 0.6)).Rows;

        var sixty = rows.Single(row => row["setting"] == "60 % of all filters");
        Assert.StartsWith("gram, local, 60 %", sixty["best of ours"], StringComparison.Ordinal);
        Assert.Equal("yes", sixty["reached"]);                                                             // 0.77 of 0.8 is 96.25 %, at least 95 %
        Assert.Equal("0.050; 0.525 (0.050)", sixty["the same, raw: AP50; IoU@0.5"]);
        Assert.Equal("0.780; 0.890 (0.780)", sixty["random, same budget and repair: AP50; IoU@0.5"]);
        Assert.Equal("no (AP50)", rows.Single(row => row["setting"] == "70 % of all filters")["reached"]);  // 0.6 of 0.8 is 75 %, below 80 %
        Assert.Equal("not measured", rows.Single(row => row["setting"] == "40 % of all filters")["reached"]);
    }

    [Fact]
    public void Pictures_are_linked_for_the_figures_that_were_measured() => Assert.Equal(
        ["mask-ap50", "mask-ap75", "iou-at-50", "match-rate"],
        StudyTables.Build(TableRequest.Parse("curves dataset=made"), Read([Lines.Dense()])).Split('\n').Where(line => line.Length > 0).Select(line => line.Split("(results/made-")[^1].Replace(".png)", "", StringComparison.Ordinal)));

    [Fact]
    public void The_studys_row_comes_first_where_it_is_asked_for()
    {
        var table = Table("accuracy study", Lines.Dense(), Lines.Point("l1", "global-raw", 0.4, "none", 0.2));
        Assert.Equal("Frühwirth 2024 (l1)", table.Rows[0]["criterion"]);
        Assert.Equal("1.25", table.Rows[0]["compression"]);
        Assert.Equal(2, table.Rows.Count);
    }

    [Theory]
    [InlineData("accuracies", "accuracy")]
    [InlineData("accuracy colour=red", "colour=red")]
    [InlineData("accuracy dataset", "dataset")]
    public void A_request_that_cannot_be_met_is_named(string request, string word) =>
        Assert.Contains(word, Assert.Throws<ArgumentException>(() => TableRequest.Parse(request)).Message, StringComparison.Ordinal);

    [Fact]
    public void Filters_pass_what_they_name()
    {
        JsonObject[] points = [Lines.Dense(), Lines.Point("l1", "local", 0.4, "none", 0.2), Lines.Point("l2", "local", 0.4, "none", 0.2), Lines.Point("l2", "global-raw", 0.5, "none", 0.2)];
        Assert.Single(Table("accuracy criterion=l1,l2 ratio=0.5", points).Rows);
        Assert.Equal(2, Table("accuracy scope=local target=null", points).Rows.Count);
        Assert.Equal("*Not measured yet.*\n", StudyTables.Build(TableRequest.Parse("accuracy criterion=gram"), Read(points)));
    }

    private ResultSet Read(JsonObject[] points)
    {
        Lines.Write(_folder["points.jsonl"], points);
        return ResultSet.Read([_folder["points.jsonl"]]);
    }

    private Parsed Table(string request, params JsonObject[] points) => new(StudyTables.Build(TableRequest.Parse(request), Read(points)));

    /// <summary>A Markdown table, taken apart again. Of several columns with one header the first counts.</summary>
    private sealed class Parsed
    {
        public Parsed(string markdown)
        {
            var lines = markdown.Split('\n');
            var table = lines.TakeWhile(line => line.StartsWith('|')).Select(line => line.Trim('|', ' ').Split(" | ")).ToArray();
            Headers = table[0];
            Assert.All(table, row => Assert.Equal(Headers.Length, row.Length));
            Rows = [.. table.Skip(2).Select(row => Headers.Zip(row).DistinctBy(cell => cell.First).ToDictionary(cell => cell.First, cell => cell.Second))];
            Below = string.Join('\n', lines.Skip(table.Length));
        }

        public string[] Headers { get; }

        public IReadOnlyList<Dictionary<string, string>> Rows { get; }

        public string Below { get; }
    }
}
