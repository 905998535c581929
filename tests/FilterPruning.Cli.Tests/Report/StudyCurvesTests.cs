using System.Text.Json.Nodes;
using FilterPruning.Cli.Report;
using SkiaSharp;

namespace FilterPruning.Cli.Tests.Report;

public sealed class StudyCurvesTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_line_begins_at_the_dense_model_and_each_way_has_its_own()
    {
        var lines = CurveLine.Of(Read(
            Lines.Dense(), Lines.Point("l1", "local", 0.6, "none", 0.1), Lines.Point("l1", "local", 0.3, "none", 0.4), Lines.Point("l1", "local", 0.3, "least-squares", 0.7),
            Lines.Point("l1", "local", 0.3, "least-squares", 0.75, change: json => json["fineTuned"] = true), Lines.Point("random", "local", 0.3, "none", 0.1, 0), Lines.Point("random", "local", 0.3, "none", 0.2, 1)).Points);

        Assert.Equal(["l1 Raw", "l1 Repaired", "l1 FineTuned", "random Raw"], lines.Select(line => $"{line.Criterion} {line.Kind}"));
        Assert.Equal([0, 0.3, 0.6], lines[0].Groups.Select(CurveLine.Removed).OfType<double>());
        Assert.All(lines, line => Assert.True(line.Groups[0].Points[0].IsDense));
        Assert.Equal(2, lines[3].Groups[1].Seeds);
    }

    [Fact]
    public void Axes_place_points_by_shares_of_the_dense_model()
    {
        var half = CurveLine.Of(Read(Lines.Dense(), Lines.Point("l1", "local", 0.5, "none", 0.1)).Points)[0].Groups[1];
        Assert.Equal([0.5, 2, 1, 1], CurveAxis.All.Select(axis => Math.Round(axis.Position(half)!.Value, 9)));      // half the filters, a quarter of the parameters, half the MACs and time
        Assert.Equal([0, 0, 0, 0], CurveAxis.All.Select(axis => Math.Abs(axis.Position(CurveLine.Of(Read(Lines.Dense(), Lines.Point("l1", "local", 0.5, "none", 0.1)).Points)[0].Groups[0])!.Value)));
        Assert.Equal(Math.Log2(1.25), CurveAxis.All[1].Study!.Value, 12);
    }

    [Fact]
    public void A_scope_with_one_or_two_amounts_is_left_to_the_tables()
    {
        var lines = CurveLine.Of(Read(
            [Lines.Dense(), Lines.Point("l1", "global-raw+floor:0.1", 0.4, "none", 0.1), .. new[] { 0.1, 0.2, 0.3 }.Select(ratio => Lines.Point("l1", "local", ratio, "none", 0.1))]).Points);
        Assert.Equal("local", Assert.Single(lines).Scope);
    }

    [Fact]
    public void Ticks_are_shares_and_lie_in_the_range()
    {
        var (positions, labels) = CurveAxis.All[1].Ticks(0, 4);
        Assert.Equal([0, 1, 2, 3, 4], positions);
        Assert.Equal(["100 %", "50 %", "25 %", "13 %", "6.3 %"], labels);
    }

    [Fact]
    public void Every_figure_has_a_picture_that_is_small_not_empty_and_the_same_again()
    {
        string[] criteria = ["l1", "random", "gram", "something-else"];
        var results = Read(
            [Lines.Dense(), .. from index in Enumerable.Range(0, 4) from scope in new[] { "global-raw", "local" } from ratio in new[] { 0.2, 0.5, 0.8 } from repair in new[] { "none", "least-squares" } from seed in new[] { 0, 1 } select Lines.Point(criteria[index], scope, ratio, repair, repair == "none" ? 0.1 : 0.8 - (ratio * 0.5) - (0.05 * index) + (0.02 * seed), seed)]);
        var pictures = StudyCurves.Draw(results).ToArray();

        Assert.Equal(["made-mask-ap50.png", "made-mask-ap75.png", "made-iou-at-50.png", "made-match-rate.png"], pictures.Select(picture => picture.Name));
        Assert.All(pictures, picture => Assert.InRange(picture.Png.Length, 5_000, 200_000));
        Assert.Equal(pictures.Select(picture => picture.Png), StudyCurves.Draw(results).Select(picture => picture.Png));
        using var image = SKBitmap.Decode(pictures[0].Png);
        var blue = 0;
        for (var y = 0; y < image.Height; y++)
        {
            for (var x = 0; x < image.Width; x++)
                blue += image.GetPixel(x, y) is { Red: < 20, Green: > 90 and < 140, Blue: > 160 and < 200 } ? 1 : 0;
        }

        Assert.True(blue > 500, $"{blue} pixels have the colour of l1.");
    }

    [Fact]
    public void Nothing_measured_gives_no_picture() =>
        Assert.Empty(StudyCurves.Draw(Read(Lines.Point("l1", "local", 0.5, "none", 0.1, change: json => json["status"] = "stopped"))));

    [Fact]
    public void Raw_cuts_alone_have_a_picture_too() =>
        Assert.Equal(4, StudyCurves.Draw(Read(Lines.Point("l1", "local", 0.5, "none", 0.1))).Count());

    private ResultSet Read(params JsonObject[] points)
    {
        Lines.Write(_folder["points.jsonl"], points);
        return ResultSet.Read([_folder["points.jsonl"]]);
    }
}
