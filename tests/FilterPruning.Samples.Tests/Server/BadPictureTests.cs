using System.Net.Http.Headers;
using System.Text;
using SkiaSharp;

namespace FilterPruning.Samples.Tests.Server;

/// <summary>Bodies that are no pictures, or too much of one.</summary>
[Collection(SharedServer.Name)]
public class BadPictureTests(RealServer real)
{
    [Fact]
    public async Task Nothing() => Assert.Contains("empty", await Problem([], 400), StringComparison.Ordinal);

    [Fact]
    public async Task Something_else() => Assert.Contains("not in a format", await Problem(Encoding.ASCII.GetBytes("<svg/>"), 415), StringComparison.Ordinal);

    [Fact]
    public async Task A_format_that_is_not_taken()
    {
        // A GIF of one pixel.
        byte[] gif = [.. "GIF89a"u8, 1, 0, 1, 0, 128, 0, 0, 0, 0, 0, 255, 255, 255, 44, 0, 0, 0, 0, 1, 0, 1, 0, 0, 2, 2, 68, 1, 0, 59];
        using (var codec = SKCodec.Create(new MemoryStream(gif)))
            Assert.Equal(SKEncodedImageFormat.Gif, codec.EncodedFormat);
        Assert.Contains("Send a PNG, JPEG or WebP", await Problem(gif, 415), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_picture_that_is_cut_short() => Assert.Contains("damaged or cut short", await Problem(Pictures.Scene()[..^200], 422), StringComparison.Ordinal);

    [Fact]
    public async Task Too_many_pixels() => Assert.Contains("2,001 × 2,000 pixels; at most 4,000,000", await Problem(Pictures.Blank(2001, 2000), 413), StringComparison.Ordinal);

    [Fact]
    public async Task Too_narrow_and_just_not()
    {
        Assert.Contains("at most 64 times", await Problem(Pictures.Blank(65, 1), 422), StringComparison.Ordinal);
        Assert.Contains("at most 64 times", await Problem(Pictures.Blank(10, 20_000), 422), StringComparison.Ordinal);
        foreach (var (width, height) in new[] { (64, 1), (1, 64), (1, 1), (1280, 20) })
            Assert.Equal(System.Net.HttpStatusCode.OK, (await real.Client.Send("detect", Pictures.Blank(width, height))).StatusCode);
    }

    [Fact]
    public async Task A_header_that_claims_more_than_any_memory() => Assert.Contains("1,000,000 × 900,000", await Problem(Pictures.Claiming(1_000_000, 900_000), 413), StringComparison.Ordinal);

    [Fact]
    public async Task Too_many_bytes_by_the_head() =>
        Assert.Contains("At most 10,485,760 bytes", await Problem(new byte[(10 << 20) + 1], 413), StringComparison.Ordinal);

    [Fact]
    public async Task Too_many_bytes_that_were_not_announced()
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "detect") { Content = new ByteArrayContent(new byte[11 << 20]) };
        request.Headers.TransferEncodingChunked = true;
        using var response = await real.Client.SendAsync(request);
        Assert.Contains("At most 10,485,760 bytes", await response.Problem(413), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_form_without_a_file()
    {
        using var form = new MultipartFormDataContent { { new StringContent("a scene"), "note" } };
        Assert.Contains("-F file=@photo.jpg", await (await real.Client.PostAsync("detect", form)).Problem(400), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("multipart/form-data")]
    [InlineData("multipart/form-data; boundary=other")]
    public async Task A_form_that_is_none(string type)
    {
        var content = new ByteArrayContent(Pictures.Scene());
        content.Headers.ContentType = MediaTypeHeaderValue.Parse(type);
        await (await real.Client.PostAsync("detect", content)).Problem(400);
    }

    private async Task<string> Problem(byte[] body, int status)
    {
        var before = await real.Server.Metric("detection_requests_total{endpoint=\"detect\",outcome=\"invalid\"}");
        using var response = await real.Client.Send("detect", body);
        var detail = await response.Problem(status);
        Assert.Equal(before + 1, await real.Server.Metric("detection_requests_total{endpoint=\"detect\",outcome=\"invalid\"}"));
        return detail;
    }
}
