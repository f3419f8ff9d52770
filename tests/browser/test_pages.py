"""Every page, wide and narrow, light and dark, on paper and without its script: no violation that axe finds, nothing wider than the window."""
import pathlib

import pytest

import tinyattn as ta
from tinyattn import nn


def tape(path):
    """A network with tensors in full and in summary, and code that is longer than its box."""
    ta.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 6 * 6, 5))
    return ta.viz.tape(nn.functional.cross_entropy(model(ta.randn(2, 1, 8, 8)), ta.tensor([1, 2])), path, names=model)


def tall(path):
    """A graph of more layers than fit beside each other, and parameters with long names."""
    ta.manual_seed(0)
    model = ta.models.create("attention_cnn", in_channels=1, num_classes=10, image_size=28, attention="cbam")
    return ta.viz.tape(nn.functional.cross_entropy(model(ta.randn(2, 1, 28, 28)), ta.tensor([1, 2])), path, names={"model": model})


PAGES = {
    "conv": (ta.viz.conv_stepper, "#pass=dx&view=gather&padding=1&by=product&step=30"),
    "tape": (tape, "#step=4"),
    "tall": (tall, "#step=10"),
}


@pytest.fixture(scope="module", params=PAGES)
def page(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("pages") / f"{request.param}.html"
    write, address = PAGES[request.param]
    assert write(path) == path.stat().st_size < 500_000
    return path, address


def axe():
    """The script that finds violations of the rules of accessibility."""
    package = pytest.importorskip("axe_playwright_python", reason="needs axe-core: pip install 'tinyattn[docs]'")
    return (pathlib.Path(package.__file__).parent / "axe.min.js").read_text(encoding="utf-8")


def violations(page):
    page.evaluate(axe())
    return page.evaluate("""async () => (await axe.run(document, {resultTypes: ["violations"]})).violations.map(
        (v) => `${v.id}: ${v.help}: ${v.nodes.slice(0, 3).map((n) => n.html.slice(0, 160)).join("; ")}`)""")


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_violation_and_no_scrolling_sideways(open_page, page, width, scheme):
    path, address = page
    opened = open_page(path, address, width, color_scheme=scheme)
    for details in (False, True):
        opened.page.evaluate("(open) => document.querySelectorAll('details').forEach((d) => { d.open = open; })", details)
        assert violations(opened.page) == []
        assert opened.page.evaluate("[document.documentElement.scrollWidth, innerWidth]") == [width, width]


def test_a_violation_is_found(open_page, page):
    opened = open_page(*page)
    opened.page.evaluate("""() => { const button = document.querySelector("button");
        document.querySelector("h1").style.color = "#cccccc"; button.removeAttribute("aria-label"); button.removeAttribute("title"); }""")
    found = violations(opened.page)
    assert any(each.startswith("color-contrast") for each in found) and any(each.startswith("button-name") for each in found)


def test_on_paper(open_page, page):
    """What a printer is given: the numbers, without controls, within the sheet, dark on white also for who reads in the dark."""
    opened = open_page(*page, color_scheme="dark")
    opened.page.emulate_media(media="print", color_scheme="dark")
    style = "getComputedStyle(document.body)"
    assert opened.page.evaluate(f"[{style}.color, {style}.backgroundColor]") == ["rgb(0, 0, 0)", "rgb(255, 255, 255)"]
    assert not opened.page.locator(".transport").is_visible() and opened.page.locator("#said").is_visible()
    opened.page.set_viewport_size({"width": 718, "height": 1000})         # of A4 within margins of 10 mm
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= 718
    hidden = "[...document.querySelectorAll('#graph')].map((box) => box.scrollHeight - box.clientHeight)"
    assert opened.page.evaluate(hidden) in ([], [0])                      # nothing of a picture is left outside its box
    assert opened.page.pdf().startswith(b"%PDF")


def test_without_its_script(open_page, page):
    opened = open_page(*page, java_script_enabled=False)
    assert opened.page.locator("noscript p").is_visible()
    assert opened.page.locator(".still").is_visible() and not opened.page.locator(".transport").is_visible()


def test_it_plays(open_page, page):
    opened = open_page(page[0])
    opened.page.clock.install()
    opened.page.reload()
    count = opened.page.locator(".count")
    first = count.text_content()
    opened.press("Space")
    assert opened.page.locator("#said").get_attribute("aria-live") == "off"    # nobody is talked over
    opened.page.clock.run_for(2500)
    assert count.text_content().split()[0] == "3" and first.split()[0] == "1"
    opened.press("Space")
    opened.page.clock.run_for(5000)
    assert count.text_content().split()[0] == "3" and opened.page.locator("#said").get_attribute("aria-live") == "polite"
    opened.press("End")
    assert count.text_content().split()[0] == count.text_content().split()[2]
    opened.press("ArrowLeft", "Home", "ArrowLeft")
    assert count.text_content() == first
