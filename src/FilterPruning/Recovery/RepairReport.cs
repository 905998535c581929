using System.Globalization;
using System.Text;

namespace FilterPruning.Recovery;

/// <summary>What a repair did to one layer.</summary>
/// <param name="Layer">The consumer's path.</param>
/// <param name="KeptChannels">Input channels it keeps (a channel that is flattened to several features counts once).</param>
/// <param name="Channels">Input channels it had.</param>
/// <param name="ErrorBefore">Share of its output's energy that is lost when the removed inputs are left out and nothing is refitted.</param>
/// <param name="ErrorAfter">The same after the fit.</param>
/// <param name="Ridge">The ridge that was chosen.</param>
/// <param name="Rows">Rows the fit was made from; 0 for a layer that no input reached, which was left as it is.</param>
/// <param name="HasIntercept">Whether a constant could be fitted too: the layer has a bias, or a norm follows it directly.</param>
public sealed record LayerRepair(string Layer, int KeptChannels, int Channels, double ErrorBefore, double ErrorAfter, double Ridge, long Rows, bool HasIntercept);

/// <summary>What a repair did.</summary>
/// <param name="Layers">One entry for each refitted consumer, in data order.</param>
/// <param name="Inputs">The number of calibration inputs.</param>
public sealed record RepairReport(IReadOnlyList<LayerRepair> Layers, int Inputs)
{
    /// <summary>A table for people.</summary>
    public string ToText()
    {
        var text = new StringBuilder();
        text.AppendLine(CultureInfo.InvariantCulture, $"Repaired {Layers.Count} layers from {Inputs} unlabelled inputs. Lost output energy, before and after:");
        foreach (var layer in Layers)
        {
            var about = layer.Rows == 0 ? "not reached by any input; left as it is" : string.Create(CultureInfo.InvariantCulture, $"{layer.ErrorBefore,8:P2} → {layer.ErrorAfter,8:P2}  ridge {layer.Ridge:0.#e+0}");
            text.AppendLine(CultureInfo.InvariantCulture, $"  {layer.Layer,-48} {layer.KeptChannels,5} of {layer.Channels,-5} {about}");
        }

        return text.ToString().ReplaceLineEndings("\n");
    }
}
