using System.Diagnostics.Metrics;
using System.Globalization;
using System.Text;

namespace DetectionServer.Metrics;

/// <summary>
/// Writes a meter's counters, gauges and histograms in Prometheus' text format 0.0.4. Small on purpose: a larger service takes OpenTelemetry's exporter, which listens to the same instruments.
/// </summary>
/// <remarks>Instruments are named as Prometheus wants them (counters end in <c>_total</c>). Thread-safe. Create it before the meter's instruments.</remarks>
internal sealed class PrometheusText : IDisposable
{
    public const string ContentType = "text/plain; version=0.0.4; charset=utf-8";

    private readonly MeterListener _listener = new();
    private readonly Lock _lock = new();
    private readonly List<Instrument> _instruments = [];
    private readonly Dictionary<(Instrument Instrument, string Labels), Series> _series = [];

    public PrometheusText(Meter meter)
    {
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (!ReferenceEquals(instrument.Meter, meter))
                return;
            lock (_lock)
                _instruments.Add(instrument);
            listener.EnableMeasurementEvents(instrument);
        };
        _listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) => Record(instrument, value, tags));
        _listener.SetMeasurementEventCallback<int>((instrument, value, tags, _) => Record(instrument, value, tags));
        _listener.SetMeasurementEventCallback<double>((instrument, value, tags, _) => Record(instrument, value, tags));
        _listener.Start();
    }

    /// <summary>All numbers as they are now.</summary>
    public string Write()
    {
        _listener.RecordObservableInstruments();
        var text = new StringBuilder();
        lock (_lock)
        {
            foreach (var instrument in _instruments)
            {
                text.Append(CultureInfo.InvariantCulture, $"# HELP {instrument.Name} {instrument.Description}\n# TYPE {instrument.Name} {TypeOf(instrument)}\n");
                foreach (var (key, series) in _series.Where(entry => entry.Key.Instrument == instrument).OrderBy(entry => entry.Key.Labels, StringComparer.Ordinal))
                    series.Write(text, instrument.Name, key.Labels);
            }
        }

        return text.ToString();
    }

    public void Dispose() => _listener.Dispose();

    private void Record(Instrument instrument, double value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        var labels = Labels(tags);
        lock (_lock)
        {
            if (!_series.TryGetValue((instrument, labels), out var series))
                _series[(instrument, labels)] = series = new Series(instrument is Histogram<double> histogram ? histogram.Advice?.HistogramBucketBoundaries ?? [] : null);
            if (instrument.IsObservable)
                series.Set(value);
            else
                series.Add(value);
        }
    }

    private static string Labels(ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        var labels = new StringBuilder();
        foreach (var (name, value) in tags)
        {
            var escaped = (value?.ToString() ?? "").Replace(@"\", @"\\").Replace("\"", "\\\"").Replace("\n", @"\n");
            labels.Append(CultureInfo.InvariantCulture, $"{(labels.Length > 0 ? "," : "")}{name}=\"{escaped}\"");
        }

        return labels.ToString();
    }

    private static string TypeOf(Instrument instrument) => instrument switch
    {
        Histogram<double> => "histogram",
        Counter<long> => "counter",
        _ => "gauge",
    };

    /// <summary>One line of numbers: a value, or a histogram's counts for each bucket (with <paramref name="bounds"/>).</summary>
    private sealed class Series(IReadOnlyList<double>? bounds)
    {
        private readonly long[] _buckets = new long[(bounds?.Count ?? 0) + 1]; // the last for what is above all bounds
        private double _sum;

        public void Set(double value) => _sum = value;

        public void Add(double value)
        {
            _sum += value;
            if (bounds is null)
                return;
            var bucket = 0;
            while (bucket < bounds.Count && value > bounds[bucket])
                bucket++;
            _buckets[bucket]++;
        }

        public void Write(StringBuilder text, string name, string labels)
        {
            if (bounds is null)
            {
                Line(name, labels, _sum);
                return;
            }

            var separator = labels.Length > 0 ? "," : "";
            long total = 0;
            for (var i = 0; i < _buckets.Length; i++)
            {
                total += _buckets[i];
                var bound = i < bounds.Count ? bounds[i].ToString(CultureInfo.InvariantCulture) : "+Inf";
                Line(name + "_bucket", $"{labels}{separator}le=\"{bound}\"", total);
            }

            Line(name + "_sum", labels, _sum);
            Line(name + "_count", labels, total);

            void Line(string metric, string inner, double value) =>
                text.Append(CultureInfo.InvariantCulture, $"{metric}{(inner.Length > 0 ? "{" + inner + "}" : "")} {value:R}\n");
        }
    }
}
