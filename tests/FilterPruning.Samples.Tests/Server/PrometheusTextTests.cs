using System.Diagnostics.Metrics;
using DetectionServer.Metrics;

namespace FilterPruning.Samples.Tests.Server;

public class PrometheusTextTests
{
    [Fact]
    public void Counters_gauges_and_histograms_are_written_as_Prometheus_reads_them()
    {
        using var meter = new Meter("test");
        using var other = new Meter("test");
        using var text = new PrometheusText(meter);
        var counter = meter.CreateCounter<long>("things_total", description: "Things.");
        var histogram = meter.CreateHistogram("seconds", description: "Time.", advice: new InstrumentAdvice<double> { HistogramBucketBoundaries = [0.5, 1] });
        meter.CreateObservableGauge("level", () => 7, description: "Level.");
        other.CreateCounter<long>("others_total").Add(1);

        counter.Add(2, new KeyValuePair<string, object?>("name", "a\"b\\c\nd"));
        counter.Add(3, new KeyValuePair<string, object?>("name", "a\"b\\c\nd"));
        counter.Add(1, new("name", "x"), new("kind", 4));
        foreach (var value in new[] { 0.25, 0.5, 0.75, 2 })
            histogram.Record(value, new KeyValuePair<string, object?>("model", "dense"));
        text.Write(); // reading changes nothing

        Assert.Equal(
            """
            # HELP things_total Things.
            # TYPE things_total counter
            things_total{name="a\"b\\c\nd"} 5
            things_total{name="x",kind="4"} 1
            # HELP seconds Time.
            # TYPE seconds histogram
            seconds_bucket{model="dense",le="0.5"} 2
            seconds_bucket{model="dense",le="1"} 3
            seconds_bucket{model="dense",le="+Inf"} 4
            seconds_sum{model="dense"} 3.5
            seconds_count{model="dense"} 4
            # HELP level Level.
            # TYPE level gauge
            level 7

            """,
            text.Write());
    }
}
