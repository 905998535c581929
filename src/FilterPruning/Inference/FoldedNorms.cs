using TorchSharp.Modules;

namespace FilterPruning.Inference;

/// <summary>A norm that became part of the layer before it.</summary>
/// <param name="Layer">The layer's path.</param>
/// <param name="Norm">The norm's path.</param>
public sealed record FoldedPair(string Layer, string Norm);

/// <summary>A norm that stayed.</summary>
/// <param name="Norm">The norm's path.</param>
/// <param name="Reason">Why, in words.</param>
public sealed record KeptNorm(string Norm, string Reason);

/// <summary>The norms that <see cref="NormFolding"/> folded. Until it is disposed it holds the weights from before, so that folding can be undone bit for bit.</summary>
/// <remarks>A folded model may be run, saved and pruned; undo before training it or loading a checkpoint of the unfolded model.</remarks>
public sealed class FoldedNorms : IDisposable
{
    private readonly List<(Tensor Tensor, Tensor Before)> _values = [];
    private readonly List<nn.Module> _newBiases = [];
    private readonly List<IConstantNorm> _passing = [];
    private nn.Module? _model;

    internal FoldedNorms(nn.Module model, IReadOnlyList<NormPair> pairs, IReadOnlyList<KeptNorm> kept)
    {
        _model = model;
        Folded = [.. pairs.Select(pair => new FoldedPair(pair.LayerName, pair.NormName))];
        Kept = kept;
        try
        {
            foreach (var pair in pairs)
                Fold(pair);
        }
        catch
        {
            Restore();
            throw;
        }
    }

    /// <summary>What was folded, in the order of the forward.</summary>
    public IReadOnlyList<FoldedPair> Folded { get; }

    /// <summary>What was not, with the reasons.</summary>
    public IReadOnlyList<KeptNorm> Kept { get; }

    /// <summary>Gives layers and norms back the values they had, bit for bit, and takes away the biases that folding had added.</summary>
    /// <exception cref="InvalidOperationException">It was undone already, or this object was disposed.</exception>
    /// <exception cref="PruningException">A layer has another width than when it was folded: it was cut since. Undo the cut first.</exception>
    public void Undo()
    {
        if (_model is null)
            throw new InvalidOperationException("There is nothing to undo: folding was undone already, or its result was disposed. Keep the result to undo it.");
        if (_values.Any(entry => !entry.Tensor.shape.SequenceEqual(entry.Before.shape)))
            throw new PruningException("The model was cut after its norms were folded, so its old weights no longer fit. Undo the cut first, then the folding.");
        using var alone = ModelUse.Change(_model, "the unfolding of norms");
        Restore();
        Dispose();
    }

    /// <summary>Lets go of the weights from before; the model stays folded and can no longer be unfolded.</summary>
    public void Dispose()
    {
        foreach (var (_, before) in _values)
            before.Dispose();
        _values.Clear();
        if (_model is not null)
            NormFolding.Forget(_model);
        _model = null;
    }

    private void Fold(NormPair pair)
    {
        using var scope = NewDisposeScope();
        using var guard = no_grad();
        var (weight, bias) = FoldedWeights.Of(pair.Weight, pair.OutputAxis, pair.Groups, pair.Bias, pair.Constants);
        Write(pair.Weight, weight);
        if (pair.Bias is { } present)
        {
            Write(present, bias);
        }
        else
        {
            _newBiases.Add(pair.Layer);
            SetBias(pair.Layer, new Parameter(bias, requires_grad: pair.Weight.requires_grad));
        }

        if (pair.Norm is IConstantNorm passing)
        {
            passing.IsFolded = true;
            _passing.Add(passing);
            return;
        }

        // (x − 0) / √((1 − eps) + eps) · 1 + 0: the sum rounds to 1 exactly.
        Write(pair.Constants.Mean, zeros_like(pair.Constants.Mean));
        Write(pair.Constants.Variance, full_like(pair.Constants.Variance, 1 - pair.Constants.Eps));
        if (pair.Constants.Weight is { } scale)
            Write(scale, ones_like(scale));
        if (pair.Constants.Bias is { } shift)
            Write(shift, zeros_like(shift));
    }

    private void Write(Tensor tensor, Tensor value)
    {
        _values.Add((tensor, tensor.detach().clone().DetachFromDisposeScope()));
        tensor.copy_(value);
    }

    private void Restore()
    {
        using var scope = NewDisposeScope();
        using var guard = no_grad();
        foreach (var (tensor, before) in Enumerable.Reverse(_values))
            tensor.copy_(before);
        foreach (var layer in _newBiases)
            SetBias(layer, null);
        foreach (var norm in _passing)
            norm.IsFolded = false;
        _newBiases.Clear();
        _passing.Clear();
    }

    private static void SetBias(nn.Module layer, Parameter? bias)
    {
        Parameter? before;
        if (layer is Convolution convolution)
            (before, convolution.bias) = (convolution.bias, bias!);
        else
            (before, ((Linear)layer).bias) = (((Linear)layer).bias, bias!);
        before?.Dispose();
    }
}
