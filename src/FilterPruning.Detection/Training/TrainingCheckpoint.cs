using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using FilterPruning.Storage;

namespace FilterPruning.Detection.Training;

/// <summary>
/// The file from which a training continues: one safetensors file with the model's weights and buffers (<c>model.*</c>), the optimizer's momentum (<c>momentum.*</c>), the running average
/// where one is kept (<c>average.*</c>), and in its metadata the iterations done and the options they were done with. No random state is stored: everything random is a function of the
/// seed and the iteration's number. A checksum over all of it lets no damaged checkpoint pass for a whole one.
/// </summary>
public static class TrainingCheckpoint
{
    private const string Format = "FilterPruning training checkpoint";
    private const string Version = "2", VersionWithoutChecksum = "1";
    private const string ChecksumKey = "checksum";
    private const string ModelPrefix = "model.", MomentumPrefix = "momentum.", AveragePrefix = "average.";

    /// <summary>Loads only the weights and buffers of a checkpoint into a model, for use or evaluation: the running average where the checkpoint has one.</summary>
    /// <param name="model">A model of the architecture that was trained; its tensors are overwritten, or, on an error, left as they are.</param>
    /// <param name="path">The checkpoint.</param>
    /// <returns>The iterations the checkpoint had done.</returns>
    /// <exception cref="PruningException">The file is not a training checkpoint or does not fit the model.</exception>
    public static int LoadWeights(nn.Module model, string path)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentException.ThrowIfNullOrEmpty(path);
        using var scope = NewDisposeScope();
        using SafetensorsFile file = Open(path);
        (string Name, Tensor Value)[] targets =
        [
            .. TrainingState.TensorsOf(model).Select(t => ((file.Entries.ContainsKey(AveragePrefix + t.Name) ? AveragePrefix : ModelPrefix) + t.Name, t.Value)),
        ];
        int iteration = Iteration(file, path);
        CopyAll(file, path, targets);
        return iteration;
    }

    /// <summary>
    /// Writes a checkpoint's weights and buffers alone, under their plain names, to a safetensors file of their own: the running average where the checkpoint has one. The file is smaller
    /// than the checkpoint, and any reader of weights takes it; training cannot continue from it.
    /// </summary>
    /// <param name="path">The checkpoint.</param>
    /// <param name="output">The file to write or replace.</param>
    /// <param name="halfPrecision">Whether float32 tensors of two or more dimensions are stored as float16, half the size; norms and biases keep their precision.</param>
    /// <param name="metadata">Strings to store beside the weights; the iterations done are added as <c>iteration</c>.</param>
    /// <exception cref="PruningException">The file is not a training checkpoint, or the output cannot be written.</exception>
    public static void ExportWeights(string path, string output, bool halfPrecision = false, IReadOnlyDictionary<string, string>? metadata = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ArgumentException.ThrowIfNullOrEmpty(output);
        using var scope = NewDisposeScope();
        using SafetensorsFile file = Open(path);
        var weights = new List<KeyValuePair<string, Tensor>>();
        foreach (string stored in file.Names.Where(n => n.StartsWith(ModelPrefix, StringComparison.Ordinal)))
        {
            string name = stored[ModelPrefix.Length..];
            Tensor value = file.Read(file.Entries.ContainsKey(AveragePrefix + name) ? AveragePrefix + name : stored);
            weights.Add(KeyValuePair.Create(name, halfPrecision && value.dtype == ScalarType.Float32 && value.dim() > 1 ? value.to(ScalarType.Float16) : value));
        }
        SafetensorsFile.Write(output, weights, new Dictionary<string, string>(metadata ?? new Dictionary<string, string>()) { ["iteration"] = Iteration(file, path).ToString(CultureInfo.InvariantCulture) });
    }

    /// <summary>Writes the state beside the path, then renames.</summary>
    internal static void Write(string path, TrainingState state, TrainingOptions options, string data, string method, int iteration, int epoch)
    {
        string json = Canonical(options);
        var metadata = new Dictionary<string, string>
        {
            ["format"] = Format,
            ["version"] = Version,
            ["iteration"] = iteration.ToString(CultureInfo.InvariantCulture),
            ["epoch"] = epoch.ToString(CultureInfo.InvariantCulture),
            ["data"] = data,
            ["method"] = method,
            ["options"] = json,
            ["options_sha256"] = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(json))),
        };
        if (Path.GetDirectoryName(Path.GetFullPath(path)) is { } folder)
            Directory.CreateDirectory(folder);
        (string Name, Tensor Value)[] tensors = Tensors(state);
        metadata[ChecksumKey] = Checksum(metadata, tensors.Select(t => (t.Name, Described(t.Value), t.Value)));
        SafetensorsFile.Write(path, tensors.Select(t => KeyValuePair.Create(t.Name, t.Value)), metadata);
    }

    /// <summary>Puts the file's state into the model, the optimizer and the average; on any error they are as before.</summary>
    /// <returns>The iterations that are done.</returns>
    internal static int Read(string path, TrainingState state, TrainingOptions options, string data, string method)
    {
        using SafetensorsFile file = Open(path);
        return Read(file, path, state, options, data, method);
    }

    /// <summary>The same from an open file, which must be a checkpoint.</summary>
    internal static int Read(SafetensorsFile file, string path, TrainingState state, TrainingOptions options, string data, string method)
    {
        using var scope = NewDisposeScope();
        if (file.Metadata.GetValueOrDefault("data") is var trainedOn && trainedOn != data)
            throw new PruningException($"The checkpoint '{path}' was trained on {trainedOn}, not on {data}; resume with the same data, or train into another checkpoint.");
        if ((file.Metadata.GetValueOrDefault("method") ?? "") is var trainedBy && trainedBy != method)
        {
            throw new PruningException(
                $"The checkpoint '{path}' was trained with {Words(trainedBy)}, now it is {Words(method)}. Resume with the same losses and the same teacher, or train into another checkpoint.");
        }

        string[] differences = [.. Differences(OptionsOf(file, path), Canonical(options))];
        if (differences.Length > 0)
            throw new PruningException($"The checkpoint '{path}' was trained with other options: {string.Join("; ", differences)}. Resume with the same options, or train into another checkpoint.");
        int iteration = Iteration(file, path);
        CopyAll(file, path, Tensors(state));
        return iteration;
    }

    private static string Words(string method) => method.Length == 0 ? "the model's own losses" : method;

    private static (string Name, Tensor Value)[] Tensors(TrainingState state) =>
    [
        .. state.ModelTensors().Select(t => (ModelPrefix + t.Name, t.Value)),
        .. state.Optimizer.Momentum.Select(t => (MomentumPrefix + t.Name, t.Value)),
        .. (state.Average?.Values ?? []).Select(t => (AveragePrefix + t.Name, t.Value)),
    ];

    private static SafetensorsFile Open(string path)
    {
        try
        {
            return Checked(SafetensorsFile.Open(path), path);
        }
        catch (ModelFileException error) when (error.Kind != ModelFileErrorKind.NotFound)
        {
            throw Damaged(path, error.Message, error);
        }
    }

    /// <summary>The file if it is a whole checkpoint; otherwise it is disposed.</summary>
    internal static SafetensorsFile Checked(SafetensorsFile file, string path)
    {
        try
        {
            Check(file, path);
            return file;
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    private static void Check(SafetensorsFile file, string path)
    {
        string? format = file.Metadata.GetValueOrDefault("format"), version = file.Metadata.GetValueOrDefault("version");
        if (format != Format)
            throw new PruningException($"'{path}' is not a training checkpoint; load plain weights into the model before training instead.");
        if (version is not (Version or VersionWithoutChecksum))
            throw new PruningException($"The checkpoint '{path}' has format version {version}; this library reads version {Version}. Use the library's version that wrote it.");
        if (version == Version && file.Metadata.GetValueOrDefault(ChecksumKey) != Checksum(file.Metadata, file.Names.Select(name => (name, file.Entries[name].ToString(), file.Read(name)))))
            throw Damaged(path, "its content does not match its checksum.");
        _ = Iteration(file, path);
    }

    private static PruningException Damaged(string path, string what, Exception? cause = null)
    {
        string message = $"The checkpoint '{path}' is damaged: {what} Put a copy of it back, or delete it to begin the training anew.";
        return cause is null ? new PruningException(message) : new PruningException(message, cause);
    }

    /// <summary>SHA-256 over the metadata and over names, types, shapes and bytes of the tensors, which are looked at one at a time.</summary>
    private static string Checksum(IReadOnlyDictionary<string, string> metadata, IEnumerable<(string Name, string Description, Tensor Value)> tensors)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach ((string key, string value) in metadata.Where(m => m.Key != ChecksumKey).OrderBy(m => m.Key, StringComparer.Ordinal))
            Text($"{key}={value}");
        using IEnumerator<(string Name, string Description, Tensor Value)> next = tensors.GetEnumerator();
        while (true)
        {
            using var scope = NewDisposeScope();
            if (!next.MoveNext())
                return Convert.ToHexStringLower(hash.GetHashAndReset());
            (string name, string description, Tensor value) = next.Current;
            Text($"{name} {description}");
            if (value.numel() > 0)
                hash.AppendData(value.detach().cpu().contiguous().bytes);
        }

        void Text(string text) => hash.AppendData(Encoding.UTF8.GetBytes(text + "\n"));
    }

    private static string Described(Tensor value) => $"{value.dtype}[{string.Join(", ", value.shape)}]";

    private static int Iteration(SafetensorsFile file, string path) =>
        int.TryParse(file.Metadata.GetValueOrDefault("iteration"), NumberStyles.None, CultureInfo.InvariantCulture, out int iteration)
            ? iteration
            : throw Damaged(path, $"it does not say how many iterations were done ('iteration' is '{file.Metadata.GetValueOrDefault("iteration") ?? "missing"}').");

    private static void CopyAll(SafetensorsFile file, string path, (string Name, Tensor Value)[] targets)
    {
        string[] misfits = [.. targets.Select(t => Misfit(file, t.Name, t.Value)).OfType<string>()];
        if (misfits.Length > 0)
            throw new PruningException($"The checkpoint '{path}' does not fit the model in {misfits.Length} tensors: {string.Join("; ", misfits.Take(5))}. Build the model as it was when the training started.");
        Tensor[] values = [.. targets.Select(t => file.Read(t.Name))];
        using var noGrad = no_grad();
        for (int i = 0; i < values.Length; i++)
            targets[i].Value.copy_(values[i]);
    }

    private static string? Misfit(SafetensorsFile file, string name, Tensor target)
    {
        if (!file.Entries.TryGetValue(name, out SafetensorsEntry? entry))
            return $"{name} is missing";
        string expected = Described(target);
        return entry.ToString() == expected ? null : $"{name} is {entry} instead of {expected}";
    }

    /// <summary>The options that change results, as JSON.</summary>
    private static string Canonical(TrainingOptions options)
    {
        var plain = new TrainingOptions();
        return JsonSerializer.Serialize(
            options with
            {
                CheckpointPath = null,
                CheckpointInterval = plain.CheckpointInterval,
                Resume = false,
                EvaluationInterval = plain.EvaluationInterval,
                PrefetchBatches = plain.PrefetchBatches,
            },
            TrainingJson.Default.TrainingOptions);
    }

    private static string OptionsOf(SafetensorsFile file, string path)
    {
        string json = file.Metadata.GetValueOrDefault("options") ?? "{}";
        try
        {
            using JsonDocument options = JsonDocument.Parse(json);
            if (options.RootElement.ValueKind == JsonValueKind.Object)
                return json;
        }
        catch (Exception error) when (error is JsonException or ArgumentException)
        {
            throw new PruningException($"The options in the checkpoint '{path}' cannot be read: {error.Message} It is damaged; use an earlier one.", error);
        }

        throw new PruningException($"The options in the checkpoint '{path}' are no JSON object. It is damaged; use an earlier one.");
    }

    private static IEnumerable<string> Differences(string then, string now)
    {
        using JsonDocument before = JsonDocument.Parse(then), after = JsonDocument.Parse(now);
        foreach (JsonProperty property in after.RootElement.EnumerateObject())
        {
            string old = before.RootElement.TryGetProperty(property.Name, out JsonElement value) ? value.GetRawText() : "not set";
            if (old != property.Value.GetRawText())
                yield return $"{property.Name} was {old} and is {property.Value.GetRawText()}";
        }
    }
}

/// <summary>The options' JSON, without reflection.</summary>
[JsonSourceGenerationOptions(UseStringEnumConverter = true)]
[JsonSerializable(typeof(TrainingOptions))]
internal sealed partial class TrainingJson : JsonSerializerContext;
