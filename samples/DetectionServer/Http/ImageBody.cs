using System.IO.Pipelines;
using Microsoft.AspNetCore.WebUtilities;
using Microsoft.Net.Http.Headers;
using SkiaSharp;

namespace DetectionServer.Http;

/// <summary>Reads a picture from a request, as the body or as the one file of a form, within the limits. Nothing is decoded here: only the picture's header is looked at.</summary>
internal sealed class ImageBody(ServerOptions options) : IDisposable
{
    // What browsers and phones send. SkiaSharp decodes more; each format more is code that strangers can feed.
    private static readonly SKEncodedImageFormat[] Formats = [SKEncodedImageFormat.Png, SKEncodedImageFormat.Jpeg, SKEncodedImageFormat.Webp];

    // The models reduce the longer side to some hundred pixels; the shorter one must not vanish.
    private const int MaxRatio = 64;

    private readonly SemaphoreSlim _uploads = new(options.MaxUploads);

    /// <summary>Bodies that are on their way in.</summary>
    public int Uploading => options.MaxUploads - _uploads.CurrentCount;

    /// <summary>Reads and checks.</summary>
    /// <exception cref="ProblemException">408, 413, 415, 422 or 429: it says what is wrong.</exception>
    /// <exception cref="OperationCanceledException">The client went away.</exception>
    public async Task<byte[]> ReadAsync(HttpRequest request, CancellationToken cancellation)
    {
        if (request.ContentLength > options.MaxBodyBytes)
            throw TooManyBytes();
        if (!_uploads.Wait(0, CancellationToken.None))
            throw new BusyException($"{options.MaxUploads} pictures are being uploaded already, and no more are taken at the same time. Try again in a moment.");
        try
        {
            var body = await ReadAll(request.BodyReader, cancellation);
            var bytes = IsForm(request, out var boundary) ? await FileOf(body, boundary) : body;
            Check(bytes);
            return bytes;
        }
        finally
        {
            _uploads.Release();
        }
    }

    public void Dispose() => _uploads.Dispose();

    private static bool IsForm(HttpRequest request, out string boundary)
    {
        boundary = "";
        if (!MediaTypeHeaderValue.TryParse(request.ContentType, out var type) || !type.MediaType.Equals("multipart/form-data", StringComparison.OrdinalIgnoreCase))
            return false;
        boundary = HeaderUtilities.RemoveQuotes(type.Boundary).ToString();
        return boundary.Length is > 0 and <= 200
            ? true
            : throw new ProblemException(StatusCodes.Status400BadRequest, "The form cannot be read", "The header Content-Type of a form must give a boundary of at most 200 characters.");
    }

    // Memory is taken for what has come, not for what the header promises.
    private async Task<byte[]> ReadAll(PipeReader body, CancellationToken cancellation)
    {
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(options.UploadSeconds));
        // A read that is told to end leaves the body in order; one whose token is cancelled does not.
        using var ending = deadline.Token.UnsafeRegister(static reader => ((PipeReader)reader!).CancelPendingRead(), body);
        using var bytes = new MemoryStream();
        for (; ; )
        {
            var read = await body.ReadAsync(cancellation);
            var tooMuch = bytes.Length + read.Buffer.Length > options.MaxBodyBytes;
            foreach (var part in read.Buffer)
            {
                if (!tooMuch)
                    bytes.Write(part.Span);
            }

            body.AdvanceTo(read.Buffer.End);
            if (tooMuch)
                throw TooManyBytes();
            if (read.IsCompleted)
                return bytes.ToArray();
            if (deadline.IsCancellationRequested)
                throw new ProblemException(StatusCodes.Status408RequestTimeout, "The upload took too long", $"The body did not come within {options.UploadSeconds:0.#} seconds. Send a smaller picture, or send it faster.");
        }
    }

    private static async Task<byte[]> FileOf(byte[] form, string boundary)
    {
        try
        {
            var reader = new MultipartReader(boundary, new MemoryStream(form)) { HeadersCountLimit = 16, HeadersLengthLimit = 8 << 10 };
            while (await reader.ReadNextSectionAsync() is { } section)
            {
                if (section.GetContentDispositionHeader()?.IsFileDisposition() != true)
                    continue;
                using var file = new MemoryStream();
                await section.Body.CopyToAsync(file);
                return file.ToArray();
            }
        }
        catch (Exception error) when (error is IOException or InvalidDataException)
        {
            throw new ProblemException(StatusCodes.Status400BadRequest, "The form cannot be read", $"{error.Message} Send one file in a form of type multipart/form-data, or the picture itself as the body.");
        }

        throw new ProblemException(StatusCodes.Status400BadRequest, "The form has no file", "Send one file in the form (with curl: -F file=@photo.jpg), or the picture itself as the body.");
    }

    private void Check(byte[] bytes)
    {
        if (bytes.Length == 0)
            throw new ProblemException(StatusCodes.Status400BadRequest, "There is no picture", "The body is empty. Send a PNG, JPEG or WebP picture.");
        using var data = SKData.CreateCopy(bytes);
        using var codec = SKCodec.Create(data);
        if (codec is null || !Formats.Contains(codec.EncodedFormat))
        {
            throw new ProblemException(
                StatusCodes.Status415UnsupportedMediaType, "This is not a picture", $"The {bytes.Length:N0} bytes are not in a format that is known here. Send a PNG, JPEG or WebP picture.");
        }

        var (width, height) = (codec.Info.Width, codec.Info.Height);
        if ((long)width * height > options.MaxPixels)
        {
            throw new ProblemException(
                StatusCodes.Status413PayloadTooLarge, "The picture has too many pixels",
                $"It is {width:N0} × {height:N0} pixels; at most {options.MaxPixels:N0} in all are allowed. Make it smaller: the models look at a reduced copy anyway.");
        }

        if (Math.Max(width, height) > MaxRatio * (long)Math.Min(width, height))
        {
            throw new ProblemException(
                StatusCodes.Status422UnprocessableEntity, "The picture is too narrow",
                $"It is {width:N0} × {height:N0} pixels; one side may be at most {MaxRatio} times as long as the other. The models look at a reduced copy, of which nothing would be left.");
        }
    }

    private ProblemException TooManyBytes() =>
        new(StatusCodes.Status413PayloadTooLarge, "The picture is too large", $"At most {options.MaxBodyBytes:N0} bytes are allowed. Make it smaller: the models look at a reduced copy anyway.");
}
