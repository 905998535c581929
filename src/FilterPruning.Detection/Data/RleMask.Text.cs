namespace FilterPruning.Detection.Data;

// COCO's compressed text: each run (from the fourth on, its difference to the run two before) in groups of five bits, least first,
// sign-extended, one character 48 … 111 a group, bit 5 saying that another follows. Source: the COCO API, rleToString and rleFrString.
public sealed partial class RleMask
{
    private const int FirstCharacter = 48;
    private const int GroupBits = 5;
    private const int MoreBit = 1 << GroupBits;
    private const int SignBit = 1 << (GroupBits - 1);

    /// <summary>Seven groups hold 35 bits, more than any difference of two runs needs.</summary>
    private const int MaximumGroups = 7;

    /// <summary>Reads COCO's compressed text, the <c>counts</c> string of a segmentation.</summary>
    /// <param name="text">The text.</param>
    /// <param name="height">Height in pixels: the first number of the segmentation's <c>size</c>.</param>
    /// <param name="width">Width in pixels: the second number of <c>size</c>.</param>
    /// <exception cref="ArgumentException">A size is out of range, the text is malformed, or its runs do not sum to height × width.</exception>
    public static RleMask FromCocoString(string text, int height, int width)
    {
        ArgumentNullException.ThrowIfNull(text);
        CheckSize(height, width);
        var pixels = (long)height * width;
        var counts = new List<uint>();
        for (var at = 0; at < text.Length;)
        {
            var value = ReadNumber(text, ref at);
            if (counts.Count > 2)
                value += counts[^2];
            if (value < 0 || value > pixels)
                throw new ArgumentException($"Run {counts.Count} of the mask's text is {value}; a run of a {height} × {width} mask is 0 … {pixels}. The text is damaged, or belongs to another size.", nameof(text));
            counts.Add((uint)value);
        }

        var array = counts.ToArray();
        CheckSum(height, width, array, nameof(text));
        return new RleMask(height, width, array, owned: true);
    }

    /// <summary>Writes COCO's compressed text; <see cref="FromCocoString"/> gives the same runs back.</summary>
    public string ToCocoString()
    {
        var text = new System.Text.StringBuilder(_counts.Length * 2);
        for (var i = 0; i < _counts.Length; i++)
        {
            var value = i > 2 ? (long)_counts[i] - _counts[i - 2] : _counts[i];
            bool more;
            do
            {
                var group = (int)(value & (MoreBit - 1));
                value >>= GroupBits;
                more = (group & SignBit) != 0 ? value != -1 : value != 0;
                text.Append((char)(FirstCharacter + (more ? group | MoreBit : group)));
            }
            while (more);
        }

        return text.ToString();
    }

    private static long ReadNumber(string text, ref int at)
    {
        long value = 0;
        for (var group = 0; group < MaximumGroups; group++)
        {
            if (at == text.Length)
                throw new ArgumentException($"The mask's text ends inside a number, after {text.Length} characters. It is cut off.", nameof(text));
            var character = text[at] - FirstCharacter;
            if (character is < 0 or > 63)
                throw new ArgumentException($"Character {at} of the mask's text is U+{(int)text[at]:X4}; COCO's compressed runs use '0' … 'o' only.", nameof(text));
            at++;
            value |= (long)(character & (MoreBit - 1)) << (GroupBits * group);
            if ((character & MoreBit) != 0)
                continue;
            if ((character & SignBit) != 0)
                value |= -1L << (GroupBits * (group + 1));
            return value;
        }

        throw new ArgumentException($"A number before character {at} of the mask's text has more than {MaximumGroups} groups. The text is damaged.", nameof(text));
    }
}
