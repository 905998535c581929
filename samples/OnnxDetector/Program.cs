// Finds objects in a picture with a detector that 'filter-pruning export' wrote, and draws them.
//
//   dotnet run --project samples/OnnxDetector -- MODEL.onnx PICTURE [OUT.png] [SCORE]

using OnnxDetector;
using SkiaSharp;

if (args.Length is < 2 or > 4)
{
    Console.Error.WriteLine("usage: OnnxDetector MODEL.onnx PICTURE [OUT.png] [SCORE]");
    return 2;
}

var output = args.Length > 2 ? args[2] : Path.ChangeExtension(args[1], ".detections.png");
var least = args.Length > 3 ? float.Parse(args[3], System.Globalization.CultureInfo.InvariantCulture) : 0.5f;

using var picture = SKBitmap.Decode(args[1]);
if (picture is null)
{
    Console.Error.WriteLine($"'{args[1]}' is no picture that can be read.");
    return 2;
}

using var detector = new Detector(args[0]);
var found = detector.Detect(picture).Where(one => one.Score >= least).ToList();
Drawing.Draw(picture, found);
using (var file = File.Create(output))
    picture.Encode(file, SKEncodedImageFormat.Png, 100);

foreach (var one in found)
    Console.WriteLine(FormattableString.Invariant($"{one.Name} {one.Score:0.000} [{one.Box.Left:0.0}, {one.Box.Top:0.0}, {one.Box.Right:0.0}, {one.Box.Bottom:0.0}]"));
Console.WriteLine($"{found.Count} object(s); drawn in '{output}'.");
return 0;
