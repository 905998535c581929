using FilterPruning.Detection.Models;
using FilterPruning.Reliability.Leaks;

namespace FilterPruning.Detection.Tests.Reliability;

/// <summary>The short version of <c>./build.sh reliability leaks</c>: what is done again and again leaves exactly as many tensors alive each time, without the help of the garbage collector.</summary>
public sealed class FlatTests : IDisposable
{
    private readonly MaskRcnnModel _model = TinyDetector.Create();
    private readonly Tensor[] _pictures = TinyDetector.Pictures(6);

    public void Dispose()
    {
        _model.Dispose();
        foreach (var picture in _pictures)
            picture.Dispose();
    }

    [Fact]
    public void Detections_leave_no_tensor() => AssertFlat(LeakRounds.Detect(_model, _pictures, 150));

    [Fact]
    public void Prepared_detections_leave_no_tensor()
    {
        AssertFlat(LeakRounds.DetectPrepared(_model, _pictures, 150));
        var before = LiveTensors.Settled();
        LeakRounds.DetectPrepared(_model, _pictures, 6);
        Assert.Equal(before, LiveTensors.Settled()); // and what preparing took is given back
    }

    [Fact]
    public void Streams_of_detections_leave_no_tensor() => AssertFlat(LeakRounds.DetectAsync(_model, _pictures, 100));

    [Fact]
    public void Traces_plans_cuts_and_undos_leave_no_tensor_and_the_weights_as_they_were()
    {
        using var scope = NewDisposeScope();
        var before = _model.state_dict().ToDictionary(entry => entry.Key, entry => entry.Value.detach().clone());
        var meter = LeakRounds.Rounds(_model, _pictures, 12);
        AssertFlat(meter);
        Assert.All(_model.state_dict(), entry => Assert.True(Training.Bits.Same(before[entry.Key], entry.Value), entry.Key));
    }

    [Fact]
    public void A_meter_notices_one_tensor_too_many()
    {
        var meter = new LeakMeter(30);
        var kept = new List<Tensor>();
        for (var round = 1; round <= 30; round++)
        {
            if (round == 17)
                kept.Add(zeros(1));
            meter.After(round);
        }

        Assert.Equal((17, 1), meter.Changed);
        kept.ForEach(tensor => tensor.Dispose());
    }

    private static void AssertFlat(LeakMeter meter) => Assert.Null(meter.Changed);
}
