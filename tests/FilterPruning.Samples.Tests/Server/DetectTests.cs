using System.Net;
using System.Text.Json.Nodes;
using DetectionServer.Inference;
using FilterPruning.Detection.Data;
using FilterPruning.Detection.Models;
using SkiaSharp;

namespace FilterPruning.Samples.Tests.Server;

/// <summary>What the endpoints answer, held against the library called directly.</summary>
[Collection(SharedServer.Name)]
public class DetectTests(RealServer real)
{
    [Theory]
    [InlineData("dense")]
    [InlineData("pruned")]
    public async Task Detect_answers_what_the_model_finds(string which)
    {
        var picture = Pictures.Scene();
        var answer = await (await real.Client.Send($"detect?model={which}", picture)).Json();

        using var scope = NewDisposeScope();
        using var guard = no_grad();
        var (model, description) = DetectorFile.Load(which == "dense" ? DetectorFactory.ShippedModel : real.PrunedFile);
        using var owned = model;
        var expected = model.Detect([ImageFile.Decode(picture)])[0];
        var scores = expected.Scores.data<float>().ToArray();
        // Prepared for inference, sums are taken in another order: a score next to the threshold may fall on its other side.
        Assert.DoesNotContain(scores, score => Math.Abs(score - 0.5) < 1e-3);
        var count = scores.Count(score => score > 0.5);
        Assert.NotEqual(0, count);

        Assert.Equal(which, (string?)answer["model"]);
        Assert.Equal((160, 160), ((int)answer["width"]!, (int)answer["height"]!));
        Assert.True((double)answer["milliseconds"]! > 0);
        Assert.Equal([count, count, count, count, count], new[] { "boxes", "labels", "names", "scores", "masks" }.Select(name => answer[name]!.AsArray().Count));
        for (var i = 0; i < count; i++)
        {
            var label = (int)expected.Labels[i].item<long>();
            Assert.Equal(label, (int)answer["labels"]![i]!);
            Assert.Equal(description.ClassNames[label - 1], (string?)answer["names"]![i]);
            Assert.Equal(scores[i], (float)answer["scores"]![i]!, 1e-3f);
            for (var corner = 0; corner < 4; corner++)
                Assert.Equal(expected.Boxes[i, corner].item<float>(), (float)answer["boxes"]![i]![corner]!, 0.05f);
            var mask = answer["masks"]![i]!;
            Assert.Equal([160, 160], mask["size"]!.AsArray().Select(side => (int)side!));
            var sent = RleMask.FromCocoString((string)mask["counts"]!, 160, 160);
            Assert.InRange(sent.IoU(RleMask.FromMask(expected.Masks[i, 0] > 0.5)), 0.99, 1);
        }
    }

    [Fact]
    public async Task A_form_is_taken_as_well_as_a_body()
    {
        var picture = Pictures.Scene(1);
        var body = await (await real.Client.Send("detect", picture)).Json();
        using var form = new MultipartFormDataContent { { new StringContent("a scene"), "note" }, { new ByteArrayContent(picture), "file", "scene.png" } };
        var answer = await (await real.Client.PostAsync("detect", form)).Json();
        Assert.Equal(body["boxes"]!.ToJsonString(), answer["boxes"]!.ToJsonString());
        Assert.Equal(body["masks"]!.ToJsonString(), answer["masks"]!.ToJsonString());
    }

    [Fact]
    public async Task Compare_gives_both_models_answers()
    {
        var picture = Pictures.Scene(2);
        var both = await (await real.Client.Send("compare", picture)).Json();
        foreach (var which in new[] { "dense", "pruned" })
        {
            var one = await (await real.Client.Send($"detect?model={which}", picture)).Json();
            foreach (var part in new[] { "model", "boxes", "labels", "names", "scores", "masks" })
                Assert.Equal(one[part]!.ToJsonString(), both[which]![part]!.ToJsonString());
        }
    }

    [Fact]
    public async Task Parameters_change_the_answer()
    {
        var picture = Pictures.Scene();
        var all = await (await real.Client.Send("detect?model=dense&masks=none", picture)).Json();
        Assert.Null(all["masks"]);
        var scores = all["scores"]!.AsArray().Select(score => (float)score!).ToArray();
        var score = scores.Max() - 1e-6;
        var best = await (await real.Client.Send(FormattableString.Invariant($"detect?model=dense&score={score}"), picture)).Json();
        Assert.Single(best["scores"]!.AsArray());

        var drawn = await real.Client.Send("detect?format=png", picture);
        Assert.Equal("image/png", drawn.Content.Headers.ContentType?.MediaType);
        using var bitmap = SKBitmap.Decode(await drawn.Content.ReadAsByteArrayAsync());
        Assert.Equal((160, 160), (bitmap.Width, bitmap.Height));
    }

    [Theory]
    [InlineData("score=0.1", "0.5 (the server's own threshold) to 1")]
    [InlineData("score=1.1", "to 1")]
    [InlineData("score=NaN", "to 1")]
    [InlineData("score=high", "to 1")]
    [InlineData("model=small", "pruned or dense")]
    [InlineData("masks=polygon", "rle or none")]
    [InlineData("format=gif", "png or json")]
    public async Task A_parameter_out_of_its_range_is_named(string query, string allowed) =>
        Assert.Contains(allowed, await (await real.Client.Send($"detect?{query}", Pictures.Scene())).Problem(400), StringComparison.Ordinal);

    [Fact]
    public async Task A_picture_without_objects_is_an_answer()
    {
        foreach (var format in new[] { SKEncodedImageFormat.Png, SKEncodedImageFormat.Jpeg, SKEncodedImageFormat.Webp })
        {
            var answer = await (await real.Client.Send("compare", Pictures.Blank(64, 48, format))).Json();
            Assert.Equal((64, 48), ((int)answer["width"]!, (int)answer["height"]!));
            Assert.Empty(answer["dense"]!["boxes"]!.AsArray());
        }
    }

    [Fact]
    public async Task The_page_and_what_it_asks_for_are_there()
    {
        var page = await real.Client.GetAsync("/");
        Assert.Equal("text/html", page.Content.Headers.ContentType?.MediaType);
        Assert.Contains("default-src 'none'", page.Headers.GetValues("Content-Security-Policy").Single(), StringComparison.Ordinal);

        var models = await (await real.Client.GetAsync("models")).Json();
        Assert.Equal(["ellipse", "triangle", "box", "star", "ring"], models["classes"]!.AsArray().Select(name => (string?)name));
        var (dense, pruned) = (models["models"]![0]!, models["models"]![1]!);
        Assert.Equal(("dense", "pruned"), ((string?)dense["model"], (string?)pruned["model"]));
        Assert.True((long)pruned["macs"]! < (long)dense["macs"]! / 2);
        Assert.True((long)pruned["weightBytes"]! < (long)dense["weightBytes"]! / 2);

        var scenes = (int)models["scenes"]!;
        using var scene = SKBitmap.Decode(await real.Client.GetByteArrayAsync($"scenes/{scenes - 1}"));
        Assert.NotNull(scene);
        await (await real.Client.GetAsync($"scenes/{scenes}")).Problem(404);
        await (await real.Client.GetAsync("nothing")).Problem(404);
        await (await real.Client.GetAsync("detect")).Problem(405);
    }

    [Fact]
    public async Task The_metrics_count_what_was_done()
    {
        var before = (await real.Server.Metric("detection_inference_seconds_count{model=\"dense\"}"), await real.Server.Metric("detection_requests_total{endpoint=\"compare\",outcome=\"answered\"}"));
        var answer = await (await real.Client.Send("compare", Pictures.Scene())).Json();
        Assert.NotNull(answer);
        Assert.Equal(before.Item1 + 1, await real.Server.Metric("detection_inference_seconds_count{model=\"dense\"}"));
        Assert.Equal(before.Item2 + 1, await real.Server.Metric("detection_requests_total{endpoint=\"compare\",outcome=\"answered\"}"));
        Assert.Equal(4, await real.Server.Metric("detection_queue_length"));
        Assert.Equal(HttpStatusCode.OK, (await real.Client.GetAsync("health")).StatusCode);
    }

    [Fact]
    public async Task Requests_leave_no_tensor_behind()
    {
        var picture = Pictures.Scene();
        await real.Client.Send("compare", picture);
        var before = LiveTensors();
        for (var i = 0; i < 5; i++)
            await real.Client.Send("compare", picture);
        await real.Client.Send("detect", picture[..^100]); // damaged: fails in the middle
        Assert.Equal(before, LiveTensors());
    }

    private static long LiveTensors()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        return Tensor.TotalCount;
    }
}
