using FilterPruning.Cli.Report;

namespace FilterPruning.Cli.Tests.Report;

public class MarkedDocumentTests
{
    [Theory]
    [InlineData("")]
    [InlineData("no marker\n")]
    [InlineData("no end of line")]
    [InlineData("a\r\nb\r\n\r\n")]
    public void Text_outside_the_markers_stays_byte_for_byte(string text) => Assert.Equal(text, MarkedDocument.Fill(text, _ => "never"));

    [Theory]
    [InlineData("<!-- table: one x=1 -->\n<!-- /table -->")]
    [InlineData("<!-- table: one x=1 -->\nold\n\nolder\n<!-- /table -->")]
    [InlineData("<!-- table: one x=1 -->\n[one x=1]\n<!-- /table -->")]
    public void What_stands_between_markers_is_replaced(string marked) =>
        Assert.Equal("before\n<!-- table: one x=1 -->\n[one x=1]\n<!-- /table -->\nafter", MarkedDocument.Fill($"before\n{marked}\nafter", request => $"[{request}]\n"));

    [Theory]
    [InlineData("x\n<!-- table: a -->\n", "line 2")]
    [InlineData("<!-- table: a -->\n<!-- table: b -->\n<!-- /table -->", "line 1")]
    [InlineData("x\ny\n<!-- /table -->", "Line 3")]
    public void A_marker_without_its_partner_is_named(string text, string line) =>
        Assert.Contains(line, Assert.Throws<ArgumentException>(() => MarkedDocument.Fill(text, _ => "")).Message, StringComparison.Ordinal);

    [Fact]
    public void An_error_of_a_table_names_the_markers_line() =>
        Assert.Contains("Line 2: no such", Assert.Throws<ArgumentException>(() => MarkedDocument.Fill("\n<!-- table: a -->\n<!-- /table -->", _ => throw new ArgumentException("no such"))).Message, StringComparison.Ordinal);
}
