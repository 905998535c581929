using System.Globalization;
using System.Text;

namespace FilterPruning;

/// <summary>
/// Makes a message safe to print. Names out of a file may hold anything: escape sequences that repaint a terminal, marks that turn text round, a hundred megabytes of one letter.
/// </summary>
internal static class MessageText
{
    /// <summary>The most characters of a message.</summary>
    public const int MaximumLength = 16_384;

    /// <summary>The message with control and direction marks written as <c>\uXXXX</c>, cut at <see cref="MaximumLength"/>. Line feeds and tabs stay.</summary>
    public static string Clean(string message)
    {
        if (message is null || (message.Length <= MaximumLength && !message.AsSpan().ContainsAnyExceptInRange(' ', '~')))
            return message!;
        var text = new StringBuilder(Math.Min(message.Length, MaximumLength) + 64);
        var kept = Math.Min(message.Length, MaximumLength);
        for (var i = 0; i < kept; i++)
        {
            if (IsUnsafe(message, i))
                text.Append(CultureInfo.InvariantCulture, $"\\u{(int)message[i]:x4}");
            else
                text.Append(message[i]);
        }

        if (kept < message.Length)
            text.Append(CultureInfo.InvariantCulture, $" … ({message.Length - kept} more characters)");
        return text.ToString();
    }

    private static bool IsUnsafe(string text, int i)
    {
        var character = text[i];
        if (character is '\n' or '\t')
            return false;
        if (char.IsHighSurrogate(character))
            return i + 1 >= text.Length || !char.IsLowSurrogate(text[i + 1]);
        if (char.IsLowSurrogate(character))
            return i == 0 || !char.IsHighSurrogate(text[i - 1]);
        return char.IsControl(character) || character is (>= '\u202a' and <= '\u202e') or (>= '\u2066' and <= '\u2069') or '\u200e' or '\u200f' or '\u2028' or '\u2029';
    }
}
