namespace FilterPruning.Samples.Tests.Server;

/// <summary>The page in a real browser. Skipped where there is no Chromium.</summary>
[Collection(SharedServer.Name)]
public class BrowserTests(RealServer real)
{
    private const string Done = "document.body?.dataset.state === 'done'";

    // Whether a canvas shows what was drawn: pixels in more than a few colours.
    private const string Colours = "(id => { const c = document.querySelector(`#${id} canvas`), d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data, s = new Set(); for (let i = 0; i < d.length; i += 4) s.add(d[i] << 16 | d[i + 1] << 8 | d[i + 2]); return s.size; })";

    [Fact]
    public async Task The_page_shows_both_models_for_a_sample_a_file_and_the_keyboard_and_says_what_is_wrong()
    {
        var path = Browser.Find();
        Assert.SkipWhen(path is null, "There is no chromium on the PATH.");
        await using var browser = await Browser.StartAsync(path!);
        var folder = Directory.CreateTempSubdirectory("filter-pruning-page-");
        try
        {
            await browser.Look(1200, 900);
            await browser.Open(new Uri(real.Server.Address, "/?sample=1"));
            await browser.Until(Done);
            await ShowsBothModels(browser);
            await Screenshot(browser, "page.png");
            Assert.Equal(0, (int)(await browser.Evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))!);

            // A file, chosen in the dialog.
            var file = Path.Combine(folder.FullName, "scene.png");
            await File.WriteAllBytesAsync(file, Pictures.Scene(3));
            await Choose(browser, file);
            await browser.Until(Done);
            await ShowsBothModels(browser);

            // More pixels than the server takes: the page makes it smaller.
            await File.WriteAllBytesAsync(file, Pictures.Blank(2600, 2000));
            await Choose(browser, file);
            await browser.Until(Done);
            Assert.Equal("0 objects", (string?)await browser.Evaluate("document.querySelector('#pruned header span').textContent"));

            // No picture at all.
            await File.WriteAllTextAsync(Path.Combine(folder.FullName, "letter.png"), "Dear reader,");
            await Choose(browser, Path.Combine(folder.FullName, "letter.png"));
            await browser.Until("document.body?.dataset.state === 'error'");
            Assert.Contains("not a picture", (string?)await browser.Evaluate("document.getElementById('status').textContent"), StringComparison.Ordinal);

            // The server is busy: what it says is shown.
            await browser.Evaluate("(window.realFetch = fetch, window.fetch = () => Promise.resolve(new Response(JSON.stringify({ title: 'The server is busy', detail: '4 requests are waiting already.' }), { status: 429, headers: { 'Retry-After': '3' } })), null)");
            await Choose(browser, file);
            await browser.Until("document.body?.dataset.state === 'error'");
            Assert.Equal("The server is busy. 4 requests are waiting already. (3 s should do.)", (string?)await browser.Evaluate("document.getElementById('status').textContent"));
            await browser.Evaluate("(window.fetch = realFetch, null)");

            // On a phone, in the dark, with the keyboard alone: the file chooser, then the button.
            await browser.Look(390, 844, dark: true, phone: true);
            await browser.Open(real.Server.Address);
            await browser.Until("document.body?.dataset.state === 'ready'");
            await browser.Press("Tab", 9);
            Assert.Equal("file", (string?)await browser.Evaluate("document.activeElement.id"));
            await browser.Press("Tab", 9);
            Assert.Equal("sample", (string?)await browser.Evaluate("document.activeElement.id"));
            await browser.Press("Enter", 13);
            await browser.Until(Done);
            await ShowsBothModels(browser);
            Assert.Equal(0, (int)(await browser.Evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))!);
            await Screenshot(browser, "page-phone.png");
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static async Task ShowsBothModels(Browser browser)
    {
        foreach (var model in new[] { "dense", "pruned" })
        {
            Assert.Matches("^[1-9][0-9]* objects?$", (string?)await browser.Evaluate($"document.querySelector('#{model} header span').textContent"));
            Assert.Matches("^[0-9.]+ ms$", (string?)await browser.Evaluate($"document.querySelector('#{model} dd').textContent"));
            Assert.True((int)(await browser.Evaluate($"{Colours}('{model}')"))! > 100);
        }

        Assert.Contains("smaller", (string?)await browser.Evaluate("document.getElementById('summary').textContent"), StringComparison.Ordinal);
    }

    private static async Task Choose(Browser browser, string file)
    {
        await browser.Evaluate("(document.body.dataset.state = 'waiting', null)");
        await browser.ChooseFile("#file", file);
    }

    // For a look at the page: FILTERPRUNING_SCREENSHOTS=FOLDER.
    private static async Task Screenshot(Browser browser, string name)
    {
        if (Environment.GetEnvironmentVariable("FILTERPRUNING_SCREENSHOTS") is { Length: > 0 } folder)
            await File.WriteAllBytesAsync(Path.Combine(folder, name), await browser.Screenshot());
    }
}
