using System.Text;
using FilterPruning.Cli.Report;
using FilterPruning.Cli.Study;
using FilterPruning.Fuzz.Cli;

namespace FilterPruning.Cli.Tests;

/// <summary>Results files that were made to hurt.</summary>
public sealed class HostileResultsTests
{
    [Theory]
    [InlineData("{}")]
    [InlineData("null")]
    [InlineData("[]")]
    [InlineData("{\"dataset\":\"\\ud800\"}")]
    [InlineData("{\"dataset\":null}")]
    public void A_line_that_is_no_point_is_named(string line)
    {
        var study = Assert.Throws<ArgumentException>(() => StudyFile.Parse(Encoding.UTF8.GetBytes(line + "\n"), "a.jsonl"));
        Assert.Contains("Line 1 of 'a.jsonl'", study.Message, StringComparison.Ordinal);
        var report = Assert.Throws<ArgumentException>(() => ResultSet.Lines(line + "\n\n", "a.jsonl", []).ToList());
        Assert.Contains("'a.jsonl', line 1", report.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_text_that_must_be_there_is_null()
    {
        var line = StudyTarget.Line.Trim().Replace("\"criterion\":\"any\"", "\"criterion\":null", StringComparison.Ordinal);
        Assert.Contains("Line 1", Assert.Throws<ArgumentException>(() => StudyFile.Parse(Encoding.UTF8.GetBytes(line + "\n"), "a.jsonl")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_file_of_any_size_is_not_read_whole()
    {
        var path = Path.GetTempFileName();
        try
        {
            using (var file = new FileStream(path, FileMode.Open))
                file.SetLength(ResultsFile.MaximumBytes + 1); // sparse
            Assert.Contains($"{ResultsFile.MaximumBytes}", Assert.Throws<ArgumentException>(() => StudyFile.Read(path)).Message, StringComparison.Ordinal);
            Assert.Contains($"{ResultsFile.MaximumBytes}", Assert.Throws<ArgumentException>(() => ResultSet.Read([path])).Message, StringComparison.Ordinal);
        }
        finally
        {
            File.Delete(path);
        }
    }
}
