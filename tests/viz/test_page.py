"""The page to point at: what it holds decodes to what was recorded, it asks for nothing from elsewhere, its script does what it says."""
import base64
import html.parser
import io
import json
import re
import shutil
import subprocess

import numpy as np
import pytest
from made_pictures import SCRIPT, decoded, script
from PIL import Image

import tinyattn as ta
from tinyattn.viz import page
from tinyattn.viz.look import look

CLASSES = ["a", "b", "</script><b>", "ö", "e"]


def seen(name, gate="none", count=2, labels=True):
    ta.manual_seed(0)
    model = ta.models.create(name, in_channels=1, num_classes=5, image_size=28, attention=gate).eval()
    for p in model.parameters():
        if not p.data.any():
            p.data[...] = np.random.default_rng(0).standard_normal(p.shape) * 0.1
    images = np.random.default_rng(1).integers(0, 256, (count, 1, 28, 28), dtype=np.uint8)
    return look(model, images, images.astype(np.float32) / 255 - 0.5, np.arange(count) if labels else None)


class Reader(html.parser.HTMLParser):
    """Collects tags and what stands in the data script."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.data, self._inside = [], "", False
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self._inside = (tag, dict(attributes).get("id")) == ("script", "data")

    def handle_data(self, data):
        if self._inside:
            self.data += data

    def handle_endtag(self, tag):
        self._inside = False


def test_the_data_are_the_recorded_maps():
    known = seen("cct")
    held = json.loads(Reader(page.page(known, CLASSES, "t")).data)
    layers = {layer["title"]: layer for layer in held["layers"]}
    assert list(layers)[0] == "blocks.0.attention" and {"attention rollout", "gradient", "pool"} <= set(layers)
    for name in ("blocks.0.attention", "blocks.3.attention"):
        layer, expected = layers[name], known.maps[name]["tokens"]
        assert (layer["heads"], layer["tokens"], layer["grid"], layer["extra"], layer["shares"]) == (4, 49, [7, 7], 0, True)
        for i in range(2):
            lines = expected[i].reshape(-1, 49)
            half_a_step = (lines.max(1) - lines.min(1)).max() / 510
            np.testing.assert_allclose(decoded(layer, i), lines, atol=1.01 * half_a_step)
    np.testing.assert_allclose(decoded(layers["attention rollout"], 1)[0], known.rollout.values[1].ravel(), atol=np.ptp(known.rollout.values[1]) / 500)
    for i, image in enumerate(held["images"]):
        with Image.open(io.BytesIO(base64.b64decode(image["uri"].removeprefix("data:image/png;base64,")))) as picture:
            np.testing.assert_array_equal(np.asarray(picture), known.images[i, 0])
        assert image["label"] == i and image["top"][0][0] == known.answers[i]
    assert held["classes"] == CLASSES and held["size"] == [28, 28]


@pytest.mark.parametrize("name, gate", [("attention_cnn", "cbam"), ("attention_cnn", "self"), ("resnet8", "se"), ("lenet", "none"),
                                        ("attention_cnn", "coordinate"), ("attention_cnn", "sk")])
def test_every_model_has_a_page(name, gate):
    from tinyattn.nn.attention import GATES
    if gate not in GATES:
        pytest.skip(f"no gate is called {gate}")
    known = seen(name, gate, labels=False)
    held = page.contents(known, CLASSES, ["mine.png", "other.png"])
    assert [image["name"] for image in held["images"]] == ["mine.png", "other.png"] and held["images"][0]["label"] is None
    for layer in held["layers"]:
        lines = decoded(layer, 1)
        assert np.isfinite(lines).all() and layer["form"] in ("rows", "places", "bars")
        if layer["form"] == "places":
            assert lines.shape == (1, layer["grid"][0] * layer["grid"][1])
        if layer["form"] == "rows":
            assert lines.shape == (layer["heads"] * layer["tokens"], layer["tokens"])
        if "names" in layer:
            assert len(layer["names"]) == layer["length"]
    if gate == "cbam":
        bars = [layer for layer in held["layers"] if layer["form"] == "bars"]
        np.testing.assert_allclose(decoded(bars[0], 0)[0], known.maps["stages.0.gate"]["channel"][0], atol=1 / 400)


def test_it_asks_for_nothing_from_elsewhere(tmp_path):
    size = page.write(tmp_path / "m.html", seen("cct"), CLASSES, 'a <run> & "more" {{data}}')
    text = (tmp_path / "m.html").read_text(encoding="utf-8")
    assert size == (tmp_path / "m.html").stat().st_size < 1_000_000
    assert not re.search(r"https?:|//[a-z]+\.|@import|url\(|fetch\(|XMLHttp|import\(", text)
    assert "default-src 'none'" in text and "a &lt;run&gt; &amp; &quot;more&quot; {{data}}" in text
    reader = Reader(text)
    assert not any(tag in ("link", "iframe", "object") for tag, _ in reader.tags)
    assert all(attributes.get("src", "data:").startswith("data:") for _, attributes in reader.tags)
    assert sum(tag == "script" for tag, _ in reader.tags) == 2            # no class name has ended the data early


def test_it_can_be_used_without_a_mouse_or_eyes():
    tags = Reader(page.page(seen("lenet"), CLASSES, "t")).tags
    by_id = {attributes["id"]: (tag, attributes) for tag, attributes in tags if "id" in attributes}
    assert ("html", {"lang": "en"}) in tags and by_id["stage"][1]["tabindex"] == "0" and "aria-label" in by_id["stage"][1]
    assert by_id["said"][1]["aria-live"] == "polite"
    for described in by_id["stage"][1]["aria-describedby"].split():
        assert described in by_id
    labelled = {attributes.get("for") for tag, attributes in tags if tag == "label"}
    assert {"layer", "head"} <= labelled
    assert all(attributes.get("aria-label") for tag, attributes in tags if tag == "canvas" and attributes["id"] != "ramp")
    used = set(re.findall(r'find\("([\w-]+)"\)', SCRIPT.read_text(encoding="utf-8")))
    assert used and used <= set(by_id)
    style = "".join(SCRIPT.with_name(f"{name}.css").read_text(encoding="utf-8") for name in ("shell", "maps_page"))
    assert "prefers-color-scheme: dark" in style and ":focus-visible" in style
    for light, dark in zip(*(dict(re.findall(r"--(\w+): (#\w+)", block)).items() for block in re.findall(r":root \{(.*?)\}", style))):
        assert light[0] == dark[0]
    for block in re.findall(r":root \{(.*?)\}", style):
        colours = dict(re.findall(r"--(\w+): (#\w{6})", block))
        for text in ("ink", "soft", "good", "bad"):
            assert _contrast(colours[text], colours["paper"]) >= 4.5, (text, colours)
        assert _contrast(colours["blue"], colours["paper"]) >= 3          # of the frame that shows the focus


def _contrast(a, b):
    """The contrast of two colours, as WCAG 2 counts it."""
    def light(colour):
        parts = [int(colour[i:i + 2], 16) / 255 for i in (1, 3, 5)]
        return sum(w * (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4) for w, p in zip((0.2126, 0.7152, 0.0722), parts))
    high, low = sorted((light(a), light(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_a_page_that_would_grow_too_large_gives_up_heads_then_layers(monkeypatch):
    known = seen("cct")
    monkeypatch.setattr(page, "MOST_BYTES", 2 * 49 * 49 * 7)              # four layers of four heads would be sixteen
    layers = [layer for layer in page.contents(known, CLASSES)["layers"] if layer["form"] == "rows"]
    assert len(layers) == 4 and all(layer["heads"] == 1 for layer in layers)
    np.testing.assert_allclose(decoded(layers[3], 0), known.maps["blocks.3.attention"]["tokens"][0].mean(0), atol=1e-3)
    monkeypatch.setattr(page, "MOST_BYTES", 2 * 49 * 49 * 2)
    assert [layer["title"] for layer in page.contents(known, CLASSES)["layers"] if layer["form"] == "rows"] == [
        "blocks.2.attention", "blocks.3.attention"]


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node to run the page's script")
def test_the_script_reads_the_same_numbers(tmp_path):
    known = seen("cct")
    held = page.contents(known, CLASSES)
    (tmp_path / "data.json").write_text(json.dumps(held))
    (tmp_path / "page.js").write_bytes(script())
    (tmp_path / "ask.js").write_text("""
      const page = require("./page.js"), data = require("./data.json"), rows = data.layers[1], found = {};
      found.row = Array.from(page.shown(rows, 1, 2, 17));
      found.mean = Array.from(page.shown(rows, 0, -1, 48));
      const gradient = data.layers[data.layers.length - 1];
      found.gradient = Array.from(page.shown(gradient, 1, -1, 5));
      found.said = page.words(rows, page.shown(rows, 1, 2, 17), 17);
      found.place = page.words(gradient, page.shown(gradient, 1, -1, 0), 29);
      found.moves = ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End", "x"].map((key) => page.move(key, 7, 7, 7));
      found.colours = [page.colour(data.heat, 0), page.colour(data.heat, 1), page.colour(data.heat, 0.5)];
      found.numbers = [0, 0.012345, 12.5, 0.0000123, -2.5, "NaN"].map((value) => page.number(value));
      found.span = page.span(rows, page.shown(rows, 1, 2, 17));
      console.log(JSON.stringify(found));
    """)
    done = subprocess.run(["node", "ask.js"], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    tokens = known.maps["blocks.1.attention"]["tokens"]
    np.testing.assert_allclose(found["row"], tokens[1, 2, 17], atol=1e-3)
    np.testing.assert_allclose(found["mean"], tokens[0, :, 48].mean(0), atol=1e-3)
    np.testing.assert_allclose(found["gradient"], known.gradient[1].ravel(), atol=np.ptp(known.gradient[1]) / 500)
    most = int(np.argmax(found["row"]))
    assert found["said"].startswith(f"The place in row 3, column 4 looks most at row {most // 7 + 1}, column {most % 7 + 1} (")
    assert found["place"].startswith("row 2, column 2: ")
    assert found["moves"] == [7, 8, 0, 14, 7, 13, None]
    assert found["colours"] == [held["heat"][0], held["heat"][-1], held["heat"][16]]
    assert found["numbers"] == ["0", "0.0123", "12.5", "1.2e-5", "−2.5", "NaN"]
    np.testing.assert_allclose(found["span"], [0, max(found["row"])], rtol=1e-6)
