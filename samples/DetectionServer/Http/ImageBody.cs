using DetectionServer.Work;
using FilterPruning.Detection.Data;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.WebUtilities;
using Microsoft.Net.Http.Headers;
using SkiaSharp;

namespace DetectionServer.Http;

/// <summary>Reads a picture from a request, as the body or as the one file of a form, within the limits. Nothing is decoded here: only the picture's header is looked at.</summary>
internal sealed class ImageBody(ServerOptions options) : IDisposable
{
    // What browsers and phones send. SkiaSharp decodes more; each format more is code that strangers can feed.
    private static readonly SKEncodedImageFormat[] Formats = [SKEncodedImageFormat.Png, SKEncodedImageFormat.Jpeg, SKEncodedImageFormat.Webp];

    private readonly SemaphoreSlim _uploads = new(options.MaxUploads);

    /// <summary>Reads and checks.</summary>
    /// <exception cref="ProblemException">408, 413, 415, 422 or 429: it says what is wrong.</exception>
    /// <exception cref="OperationCanceledException">The client went away.</exception>
    public async Task<byte[]> ReadAsync(HttpRequest request, CancellationToken cancellation)
    {
        if (request.ContentLength > options.MaxBodyBytes)
            throw TooManyBytes();
        if (!_uploads.Wait(0, CancellationToken.None))
            throw new BusyException($"{options.MaxUploads} pictures are being uploaded already, and no more are taken at the same time. Try again in a moment.");
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        deadline.CancelAfter(TimeSpan.FromSeconds(options.UploadSeconds));
        try
        {
            var bytes = IsForm(request, out var boundary) ? await ReadForm(request.Body, boundary, deadline.Token) : await ReadAll(request.Body, deadline.Token);
            Check(bytes);
            return bytes;
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            throw new ProblemException(StatusCodes.Status408RequestTimeout, "The upload took too long", $"The body did not come within {options.UploadSeconds:0.#} seconds. Send a smaller picture, or send it faster.");
        }
        catch (BadHttpRequestException error) when (error.StatusCode == StatusCodes.Status413PayloadTooLarge)
        {
            throw TooManyBytes();
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

    // The form's parts are read from the stream as they come: nothing goes to the disk.
    private async Task<byte[]> ReadForm(Stream body, string boundary, CancellationToken cancellation)
    {
        try
        {
            var reader = new MultipartReader(boundary, body) { HeadersCountLimit = 16, HeadersLengthLimit = 8 << 10 };
            while (await reader.ReadNextSectionAsync(cancellation) is { } section)
            {
                if (section.GetContentDispositionHeader()?.IsFileDisposition() == true)
                    return await ReadAll(section.Body, cancellation);
            }
        }
        catch (Exception error) when (error is InvalidDataException or (IOException and not BadHttpRequestException))
        {
            throw new ProblemException(StatusCodes.Status400BadRequest, "The form cannot be read", $"{error.Message} Send one file in a form of type multipart/form-data, or the picture itself as the body.");
        }

        throw new ProblemException(StatusCodes.Status400BadRequest, "The form has no file", "Send one file in the form (with curl: -F file=@photo.jpg), or the picture itself as the body.");
    }

    // Memory is taken for what has come, not for what the header promises.
    private async Task<byte[]> ReadAll(Stream body, CancellationToken cancellation)
    {
        using var bytes = new MemoryStream();
        var buffer = new byte[64 << 10];
        int read;
        while ((read = await body.ReadAsync(buffer, cancellation)) > 0)
        {
            if (bytes.Length + read > options.MaxBodyBytes)
                throw TooManyBytes();
            bytes.Write(buffer, 0, read);
        }

        return bytes.ToArray();
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

        var pixels = (long)codec.Info.Width * codec.Info.Height;
        if (pixels > options.MaxPixels)
        {
            throw new ProblemException(
                StatusCodes.Status413PayloadTooLarge, "The picture has too many pixels",
                $"It is {codec.Info.Width:N0} × {codec.Info.Height:N0} pixels; at most {options.MaxPixels:N0} in all are allowed. Make it smaller: the models look at a reduced copy anyway.");
        }
    }

    private ProblemException TooManyBytes() =>
        new(StatusCodes.Status413PayloadTooLarge, "The picture is too large", $"At most {options.MaxBodyBytes:N0} bytes are allowed. Make it smaller: the models look at a reduced copy anyway.");
}
