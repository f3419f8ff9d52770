"""What learned queries look at, and where a spatial transformer looks: drawn where it is, told on the page, taken for nothing else."""
import base64
import doctest
import json
import shutil
import subprocess

import numpy as np
import pytest
from made_pictures import decoded, script, uncut

import tinyattn as ta
from tinyattn import nn, viz
from tinyattn.nn import functional as F
from tinyattn.viz import gradients, grids_picture, look, page, queries_picture

RNG = np.random.default_rng(0)
TURN = np.array([[[0.6, 0.3, 0.2], [-0.3, 0.6, -0.1]], [[-0.5, 0, 0], [0, 0.5, 0.9]]], np.float32)


class Asking(nn.Module):
    """A spatial transformer, a convolution to 8 × 8 places, queries, an answer. As many queries as make a square, on purpose."""

    def __init__(self, queries=4):
        super().__init__()
        self.look = nn.attention.SpatialTransformer(1, size=(8, 12))
        self.stem = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(8))
        self.decoder = nn.attention.QueryDecoder(16, queries, 2, 2, 16)
        self.each, self.head = nn.Linear(16, 3), nn.Linear(3 * queries, 2)

    def forward(self, x):
        return self.head(self.each(self.decoder(self.stem(self.look(x)))).flatten(1))


@pytest.fixture(scope="module")
def seen():
    ta.manual_seed(0)
    model = Asking()
    model.look.theta.bias.data[...] = TURN[0].ravel()
    images = RNG.integers(0, 256, (2, 1, 16, 16), dtype=np.uint8)
    return model, look.look(model, images, images.astype(np.float32) / 255)


def test_queries_are_no_places(seen):
    """Four queries form a square, and so do 49 tokens: but one is not 2 × 2 places of an image."""
    model, known = seen
    assert known.maps["decoder.layers.0.self_attn"]["queries"].shape == (2, 2, 4, 4)
    assert [(name, kind) for name, kind, _ in viz.kinds.all_places(known.maps, known.size)] == [
        (f"decoder.layers.{i}.multihead_attn", "cross") for i in range(2)]
    assert list(gradients.spatial_layers(model, known.x))[-1] == "stem" and list(known.cams)[-1] == "stem"
    assert known.rollout.values is None and known.rollout.left == {}


def test_the_worked_example_of_maps():
    tried = doctest.DocTestFinder().find(viz.maps, globs={})
    results = [doctest.DocTestRunner().run(test) for test in tried]
    assert results[0].attempted == 8 and not results[0].failed


def test_everything_is_drawn_of_a_module_of_ones_own(seen, tmp_path):
    model, known = seen
    written = viz.maps(model, known.images, known.x, ["a", "b"], tmp_path / "new", [0, 1], title="mine")
    names = {path.name for path, words in written if len(words) > 15}
    assert names == {path.name for path in (tmp_path / "new").iterdir()} >= {
        "maps.png", "maps.html", "grid-look.png", "queries-decoder.layers.0.multihead_attn.png", "queries-decoder.layers.1.multihead_attn.png"}
    for path in (tmp_path / "new").glob("*.png"):
        uncut(path)


def test_a_querys_column_is_its_map(tmp_path):
    weights = np.zeros((2, 3, 2, 16), np.float32)
    weights[0, :, 0, 1], weights[0, :, 1, 11], weights[1, :, :, 4] = 1, 1, 1
    weights[1, 0, 0, 4], weights[1, 0, 0, 7] = 0, 1
    columns = dict(queries_picture._columns(weights, (8, 8)))
    assert list(columns) == ["query 0", "query 1"] and columns["query 0"].shape == (2, 4, 4)
    assert columns["query 0"][0, 0, 1] == columns["query 1"][0, 2, 3] == 1
    np.testing.assert_allclose(columns["query 0"][1, 1], [2 / 3, 0, 0, 1 / 3])
    dark = np.zeros((1, 1, 8, 8), np.uint8)
    for place, name in ((3, "a.png"), (12, "b.png")):                     # where it looks is bright, the rest is not
        alone = np.zeros((1, 1, 2, 16), np.float32)
        alone[0, 0, :, place] = 1
        viz.queries(dark, alone, tmp_path / name)
    a, b = uncut(tmp_path / "a.png").astype(int), uncut(tmp_path / "b.png").astype(int)
    bright = [np.argwhere((one - other).sum(axis=2) > 200) for one, other in ((a, b), (b, a))]
    assert all(len(found) > 500 for found in bright)                      # one above on the right, the other below on the left
    assert list(bright[0].mean(axis=0) < bright[1].mean(axis=0)) == [True, False]


def test_one_query_is_shown_head_by_head_and_of_many_the_sharpest():
    weights = RNG.random((3, 2, 1, 17)).astype(np.float32)                # with a token for the class, which is no place
    columns = dict(queries_picture._columns(weights, (8, 8)))
    assert list(columns) == ["head 0", "head 1", "mean of the heads"]
    np.testing.assert_array_equal(columns["head 1"], weights[:, 1, 0, 1:].reshape(3, 4, 4))
    many = np.full((2, 1, 12, 16), 1 / 16)
    for query in (11, 3, 5, 0, 1, 2, 8, 7):
        many[:, :, query] = np.eye(16)[query]
    assert [name for name, _ in queries_picture._columns(many, (8, 8))] == [f"query {i}" for i in (0, 1, 2, 3, 5, 7, 8, 11)]


def test_a_grid_is_drawn_where_it_lies(tmp_path):
    """The same image under grids to the left and to the right of its middle; through them, what is there."""
    images = np.zeros((1, 1, 20, 20), np.uint8)
    images[..., 10:] = 200
    orange = []
    for name, middle, value in (("l.png", -0.5, 0), ("r.png", 0.5, 200)):
        grid = F.affine_grid(ta.tensor([[[0.4, 0, middle], [0, 0.4, 0]]]), (1, 1, 6, 6), align_corners=False).data
        assert (grids_picture.sampled(images, grid) == value).all()
        viz.grids(images, grid, tmp_path / name)
        found = uncut(tmp_path / name).astype(int)
        orange.append(np.argwhere((found[..., 0] > 200) & (found[..., 2] < 90)).mean(axis=0))
    assert abs(orange[0][0] - orange[1][0]) < 1 and orange[1][1] - orange[0][1] > 60
    outside = F.affine_grid(ta.tensor([[[1, 0, 2.0], [0, 1, 0]]]), (1, 1, 4, 4), align_corners=False).data
    assert not grids_picture.sampled(images + 9, outside).any()
    net = grids_picture.lines(grid[0], most=3)
    np.testing.assert_array_equal(net, [grid[0, 0], grid[0, 2], grid[0, 5], grid[0, :, 0], grid[0, :, 2], grid[0, :, 5]])


@pytest.mark.parametrize("call, words", [
    (lambda: viz.queries(np.zeros((2, 1, 8, 8)), np.zeros((2, 4, 16))), r"queries: images have shape \(2, 1, 8, 8\) and weights \(2, 4, 16\), expected"),
    (lambda: viz.queries(np.zeros((2, 1, 8, 8)), np.zeros((2, 1, 4, 11))), "queries: 11 keys form no grid over an image of 8 × 8 pixels"),
    (lambda: viz.grids(np.zeros((2, 1, 8, 8)), np.zeros((1, 4, 4, 2))), r"grids: images have shape \(2, 1, 8, 8\) and grids \(1, 4, 4, 2\), expected")])
def test_what_does_not_fit_is_said(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def layers_of(known):
    return {layer["title"]: layer for layer in page.contents(known, ["a", "b"])["layers"]}


def test_the_page_holds_both(seen):
    known = seen[1]
    layers = layers_of(known)
    assert list(layers)[:3] == ["decoder.layers.0.multihead_attn", "decoder.layers.1.multihead_attn", "look grid"]
    asking, weights = layers["decoder.layers.1.multihead_attn"], known.maps["decoder.layers.1.multihead_attn"]["cross"]
    assert (asking["form"], asking["tokens"], asking["heads"], asking["grid"], asking["length"]) == ("queries", 4, 2, [8, 8], 64)
    np.testing.assert_allclose(decoded(asking, 1), weights[1].reshape(8, 64), atol=1e-3)
    net = np.frombuffer(base64.b64decode(layers["look grid"]["net"][1]), "<f4").reshape(2, 8, 12)
    np.testing.assert_array_equal(net, known.maps["look"]["grid"][1].transpose(2, 0, 1))


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node to run the page's script")
def test_the_script_reads_them(seen, tmp_path):
    known = seen[1]
    (tmp_path / "data.json").write_text(json.dumps({"layers": layers_of(known), "image": known.images[1, 0].tolist()}))
    (tmp_path / "page.js").write_bytes(script())
    (tmp_path / "ask.js").write_text("""
      const page = require("./page.js"), data = require("./data.json"), found = {};
      const asking = data.layers["decoder.layers.1.multihead_attn"], grid = data.layers["look grid"];
      found.one = Array.from(page.shown(asking, 1, 1, 5, 2));
      found.mean = Array.from(page.shown(asking, 1, -1, 5, 3));
      found.span = page.span(asking, page.shown(asking, 1, 1, 5, 2));
      found.said = page.words(asking, page.shown(asking, 1, 1, 5, 2), 9, 2, [16, 16]);
      const [x, y] = page.lookedUp(grid, 1);
      found.looked = page.words(grid, [x, y], 15, 0, [16, 16]);
      found.outside = page.words(grid, [[1.5], [0]], 0, 0, [16, 16]);
      found.nearest = page.nearest(x, y, x[30] + 0.01, y[30] - 0.01);
      const bytes = data.image.flat().flatMap((value) => [value, value, value, 255]);
      found.sampled = Array.from(page.sampled(bytes, 16, 16, x, y));
      console.log(JSON.stringify(found));
    """)
    done = subprocess.run(["node", "ask.js"], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    found, weights = json.loads(done.stdout), known.maps["decoder.layers.1.multihead_attn"]["cross"][1]
    np.testing.assert_allclose(found["one"], weights[1, 2], atol=1e-3)
    np.testing.assert_allclose(found["mean"], weights[:, 3].mean(0), atol=1e-3)
    np.testing.assert_allclose(found["span"], [0, max(found["one"])], rtol=1e-6)
    most = int(np.argmax(found["one"]))
    assert found["said"].startswith(f"Query 2 looks most at row {most // 8 + 1}, column {most % 8 + 1} (") and "At row 2, column 2: " in found["said"]
    grid = known.maps["look"]["grid"][1]
    across, down = (grid[1, 3] + 1) * 8 - 0.5
    assert found["looked"] == f"What stands in row 2, column 4 of the result was looked up {down:.1f} pixels down and {across:.1f} across."
    assert found["outside"].endswith("across, outside of the image.") and found["nearest"] == 30
    sampled = np.reshape(found["sampled"], (8, 12, 4))
    np.testing.assert_allclose(sampled[..., 0], grids_picture.sampled(known.images[1:], grid[None])[0, 0], atol=1)
    assert (sampled[..., 3] == 255).all()
