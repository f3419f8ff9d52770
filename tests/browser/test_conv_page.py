"""The page of a convolution: every number that it shows, at every step, against loops in NumPy; walked through by keyboard alone.

`Loops` computes all passes one product at a time in float64, from x, w, b and the dy that the page shows, and knows nothing of the framework.
"""
import itertools
import json
import re

import numpy as np
import pytest
from shown import NUMBER, agree, number

import tinyattn as ta

READ = """() => {
  const text = (selector) => document.querySelector(selector).textContent, chosen = (name) => document.querySelector(`[name="${name}"]:checked`).value;
  const cells = (figure) => Object.fromEntries([...figure.querySelectorAll("td[data-at]")].map((td) =>
    [td.dataset.at, {text: td.firstChild.textContent, kind: [...td.classList], tag: td.querySelector(".tag")?.textContent ?? ""}]));
  const figures = (where) => Object.fromEntries([...document.querySelectorAll(`${where} figure`)].map((figure) => [figure.dataset.grid, cells(figure)]));
  return { pass: chosen("pass"), view: chosen("view"), by: chosen("by"), stride: Number(chosen("stride")), padding: Number(chosen("padding")),
    dilation: Number(chosen("dilation")), count: text(".count"), said: text("#said"), total: text("#total"), stage: figures("#stage"), values: figures("#values"),
    products: [...document.querySelectorAll("#products li")].map((li) => ({text: li.textContent.replace(/\\s+/g, " ").trim(), now: li.classList.contains("now")})),
    rules: [...document.querySelectorAll("#index p")].map((p) => p.textContent),
    places: [...document.querySelectorAll("#index li")].map((li) => ({text: li.textContent, now: li.classList.contains("now")})) };
}"""
PASSES = {"y": ("y", "w", "x"), "dx": ("dx", "dy", "w"), "dw": ("dw", "dy", "x"), "db": ("db", "dy", None)}


class Loops:
    """One convolution: `arrays` by name, and `terms(pass)`: its products one by one, (target, source, other, value) with cells as tuples."""

    def __init__(self, x, w, b, dy, stride, padding, dilation):
        self.arrays = {"x": x, "w": w, "b": b, "dy": dy, "y": np.zeros(dy.shape) + b[:, None, None], "dx": np.zeros(x.shape), "dw": np.zeros(w.shape),
                       "db": np.zeros(len(b))}
        self.triples = []
        for k, i, j, c, r, s in itertools.product(*map(range, dy.shape + w.shape[1:])):
            self.triples.append(((k, i, j), (k, c, r, s), (c, i * stride + r * dilation - padding, j * stride + s * dilation - padding)))
        self.start = {name: self.arrays[name].copy() for name in PASSES}
        for name in PASSES:
            for target, _, _, value in self.terms(name):
                self.arrays[name][target] += value

    def inside(self, cell):
        return all(0 <= i < n for i, n in zip(cell[-2:], self.arrays["x"].shape[1:]))

    def terms(self, name, dropped=False):
        """The products of a pass in the order of their source cells; with `dropped`, those instead that fall on padding."""
        found = []
        a = self.arrays
        for y, w, x in self.triples:
            read = a["x"][x] if self.inside(x) else 0.0
            if name == "y":
                found.append((y, w, x, a["w"][w] * read))
            elif name == "dx" and self.inside(x) != dropped:
                found.append((x, y, w, a["dy"][y] * a["w"][w]))
            elif name == "dw":
                found.append((w, y, x, a["dy"][y] * read))
            elif name == "db" and w[1:] == (0, 0, 0):
                found.append(((w[0],), y, None, a["dy"][y]))
        return sorted(found, key=lambda term: term[1])

    def name(self, array, cell):
        """As the page writes it: axes of length 1 before the last two left out."""
        shape = self.arrays[array].shape
        kept = [i for axis, (i, n) in enumerate(zip(cell, shape)) if n > 1 or len(shape) > 1 and axis >= len(shape) - 2]
        return (f"{array}[{','.join(map(str, kept))}]" if kept else array).replace("-", "−")


def at(cell):
    return ",".join(map(str, cell))


def check(shown, x, w, b):
    """Compare all that a page shows at one stop with loops; AssertionError at the first difference."""
    values = shown["values"]
    dy = np.empty(tuple(np.add(1, max(tuple(map(int, cell.split(","))) for cell in values["dy"]))))
    for cell, held in values["dy"].items():
        dy[tuple(map(int, cell.split(",")))] = number(held["text"])
    loops = Loops(x, w, b, dy, shown["stride"], shown["padding"], shown["dilation"])
    for name, array in loops.arrays.items():                              # the table of all values
        assert len(values[name]) == array.size
        for cell in np.ndindex(array.shape):
            assert agree(values[name][at(cell)]["text"], array[cell]), f"{name}{cell}: {values[name][at(cell)]} is not {array[cell]}"

    # which step is this?
    out, source, other = PASSES[shown["pass"]]
    lead = 0 if shown["view"] == "gather" else 1                          # the place of the leading cell within a term
    shape, terms, dropped = loops.arrays[(out, source)[lead]].shape, loops.terms(out), loops.terms(out, dropped=True) if out == "dx" else []
    steps = [(cell, [term for term in terms if term[lead] == cell]) for cell in np.ndindex(shape)]
    stops = [(i, m) for i, (_, group) in enumerate(steps) for m in (range(len(group)) if shown["by"] == "product" and group else [len(group) - 1])]
    place, count = map(int, shown["count"].split(" of "))
    assert count == len(stops)
    i, m = stops[place - 1]
    cell, group = steps[i]
    lost = [term for term in dropped if term[1] == cell] if lead else []
    now = group[m] if shown["by"] == "product" and group else None

    # sums so far, one product after the other
    standing, arrived = loops.start[out].copy(), {}
    for _, done in [*steps[:i], (cell, group[:m + 1])]:
        for target, *_, value in done:
            standing[target] += value
            arrived[target] = arrived.get(target, 0) + 1
    total = {target: sum(term[0] == target for term in terms) for target in np.ndindex(standing.shape)}
    stage = shown["stage"]
    for target in np.ndindex(standing.shape):
        held = stage["far"][at(target)]
        assert agree(held["text"], standing[target]), f"{out}{target} so far: {held} is not {standing[target]}"
        assert ("done" in held["kind"]) == (arrived.get(target, 0) == total[target] and (total[target] > 0 or not lead and target <= cell))
        assert agree(stage["final"][at(target)]["text"], loops.arrays[out][target])
    for name in ("x", "w", "dy"):
        for key, held in stage.get(name, {}).items():
            inside = tuple(map(int, key.split(",")))
            assert agree(held["text"], loops.arrays[name][inside] if name != "x" or loops.inside(inside) else 0)
            assert ("pad" in held["kind"]) == (name == "x" and not loops.inside(inside))
    if "turned" in stage:                                                 # the same cells, in backward order
        assert out == "dx" and lead == 0 and list(stage["turned"]) == [at((*plane, r, s)) for plane in np.ndindex(w.shape[:2])
                                                                      for r in reversed(range(w.shape[2])) for s in reversed(range(w.shape[3]))]
        assert all(held["text"] == stage["w"][key]["text"] for key, held in stage["turned"].items())

    # who is marked, and what the tags name
    roles = {source: ("source", 1), other: ("other", 2), "far": ("out", 0)}
    for name, (role, position) in roles.items():
        if name is not None:
            marked = {key for key, held in stage[name].items() if role in held["kind"]}
            assert marked == {at(term[position]) for term in group + lost} | ({at(cell)} if position == lead else set())
            strong = {key for key, held in stage[name].items() if "now" in held["kind"]}
            assert strong == ({at(now[position])} if now else set()) | ({at(cell)} if position == lead else set())
    tagged, partner = {("y", 0): (other, 1), ("y", 1): ("far", 2), ("dx", 0): (source, 2), ("dx", 1): ("far", 2), ("dw", 0): (other, 1),
                       ("dw", 1): (other, 0)}.get((out, lead), (None, None))
    for name in stage:
        tags = {key: held["tag"] for key, held in stage[name].items() if held["tag"]}
        assert bool(tags) == (name == tagged and bool(group or lost))
        letter = "" if partner is None else (out, source, other)[partner]
        position = None if tagged is None else {"far": 0, source: 1, other: 2}[tagged]
        for key, tag in tags.items():
            possible = {f"{letter} {at(term[partner][-2:])}".replace("-", "−") for term in group + lost if at(term[position]) == key}
            assert tag in possible, (name, key, tag, possible)

    # the products, line by line
    lines = list(shown["products"])
    if out == "y" and lead == 0:
        first = lines.pop(0)["text"]
        found = re.fullmatch(rf"{re.escape(loops.name('y', cell))} = {re.escape(loops.name('b', cell[:1]))} = ({NUMBER})", first)
        assert found and agree(found[1], b[cell[0]]), first
    so_far = loops.start[out].copy()
    for _, done in steps[:i]:
        for target, *_, value in done:
            so_far[target] += value
    assert len(lines) == max(1, len(group) + len(lost))
    for n, (line, term) in enumerate(zip(lines, group)):
        target, origin, partner_cell, value = term
        so_far[target] += value
        assert line["now"] == (term is now)
        if other is None:
            expected, numbers = rf"{loops.name(out, target)} += {loops.name(source, origin)} = N", [value]
        else:
            factor = 0.0 if other == "x" and not loops.inside(partner_cell) else loops.arrays[other][partner_cell]
            expected = f"{loops.name(out, target)} += {loops.name(source, origin)} · {loops.name(other, partner_cell)} = N × N = N"
            numbers = [loops.arrays[source][origin], factor, value]
        if n <= m:
            expected, numbers = expected + " → N", [*numbers, so_far[target]]
        if other == "x" and not loops.inside(partner_cell):
            expected += " (padding)"
        found = re.fullmatch(re.escape(expected).replace("N", f"({NUMBER})"), line["text"])
        assert found and all(map(agree, found.groups(), numbers)), (line, expected, numbers)
        if now is term:
            told = re.fullmatch(rf"Product {m + 1} of {len(group)}: (.*)\. {re.escape(loops.name(out, target))} is now ({NUMBER})\.", shown["said"])
            assert told and line["text"].split(" → ")[0].removesuffix(" (padding)") == told[1] and agree(told[2], so_far[target]), shown["said"]
    for line, (target, origin, partner_cell, _) in zip(lines[len(group):], lost):
        assert line["text"] == f"{loops.name(out, target)} {loops.name(source, origin)} · {loops.name(other, partner_cell)} falls on padding: dropped"
    if lead == 0:
        finished = not group or m == len(group) - 1
        found = re.fullmatch(rf"{re.escape(loops.name(out, cell))} {'=' if finished else 'so far ='} ({NUMBER})", shown["total"])
        assert found and agree(found[1], standing[cell]), shown["total"]
    else:
        assert shown["total"] == ""

    # the sentence: its counts and values
    if now is None:
        padded = sum(other == "x" and not loops.inside(term[2]) for term in group)
        for array, indices, value in re.findall(rf"\b(x|w|b|y|dy|dx|dw|db)(?:\[([\d,]+)\])? = ({NUMBER})", shown["said"]):
            full = next(c for c in np.ndindex(loops.arrays[array].shape) if loops.name(array, c) == f"{array}[{indices}]".replace("[]", ""))
            assert full == cell and agree(value, loops.arrays[array][full])
        for value in re.findall(rf"(?:make|stays|to:|added to:|bias make) ({NUMBER})\.", shown["said"]):
            assert agree(value, loops.arrays[out][cell])
        counts = re.findall(r"(\d+) (products?|cells?|outputs?|of the products)\b(?: (meet|would))?", shown["said"])
        assert sum(c[2] == "would" for c in counts) == bool(lost) and sum(c[2] == "meet" for c in counts) == bool(padded)
        for count, _, which in counts:
            assert int(count) == {"would": len(lost), "meet": padded, "": len(group)}[which], shown["said"]

    # where the cells lie
    if out == "db":
        assert not shown["places"]
        return
    check_places(shown, loops, (out, source)[lead], cell, group + lost, now)


def check_places(shown, loops, leader, cell, terms, now):
    """The lines that work out rows and columns: each sum is right, has this step's indices in it, and together they give the step's products."""
    stride, padding, dilation = shown["stride"], shown["padding"], shown["dilation"]
    lines = list(shown["places"])
    for axis in (0, 1):                                                   # rows, then columns
        i, r = "ij"[axis], "rs"[axis]
        outs, kernel, size = loops.arrays["y"].shape[1 + axis], loops.arrays["w"].shape[2 + axis], loops.arrays["x"].shape[1 + axis]
        fixed, found = cell[axis - 2], set()
        runs = i if leader in ("w", "dw") else r
        for n in range(outs if runs == i else kernel):
            line = lines.pop(0)
            text, _, value = line["text"].rpartition(" = ")
            value, _, why = value.partition(" ")
            if leader == "dx":
                assert text == f"{r} = {n}: ({fixed} + {padding} − {n}·{dilation}) / {stride}"
                exact = (fixed + padding - n * dilation) / stride
                allowed = exact == int(exact) and 0 <= exact < outs
                assert why == ("" if allowed else "not whole: no dy" if exact != int(exact) else "no dy there")
            else:
                a, c = (fixed, n) if runs == r else (n, fixed)
                assert text == f"{runs} = {n}: {a}·{stride} + {c}·{dilation} − {padding}"
                exact = a * stride + c * dilation - padding
                allowed = True
                assert why == ("" if 0 <= exact < size else "padding")
            assert agree(value, exact)
            if allowed:
                found.add((n, exact))
            w_cell, y_cell = now and {"dx": now[2], "y": now[1], "dw": now[0]}[shown["pass"]], now and {"dx": now[1], "y": now[0], "dw": now[1]}[shown["pass"]]
            assert line["now"] == (now is not None and (w_cell if runs == r else y_cell)[axis - 2] == n)
        position = {"y": (0, 1, 2), "dx": (1, 2, 0), "dw": (1, 0, 2)}[shown["pass"]]
        used = {(term[position[1] if runs == r else position[0]][axis - 2], term[position[0] if leader == "dx" else position[2]][axis - 2]) for term in terms}
        assert used == found or leader == "dx" and not terms, (used, found)
    assert not lines


def walk(opened, x, w, b):
    """From the step that is shown to the last, by the right arrow key; every stop is checked. Returns how many there were."""
    stops = opened.walk(READ)
    for shown in stops:
        check(shown, x, w, b)
    return len(stops)


def known(path):
    """x, w and b that a page was made from, as it holds them."""
    data = json.loads(re.search(r'id="data">(.*?)</script>', path.read_text(encoding="utf-8"))[1])
    return tuple(np.reshape(data[name], shape) for name, shape in (("x", data["size"]), ("w", data["kernel"]), ("b", [-1])))


@pytest.fixture(scope="module")
def ours(tmp_path_factory):
    path = tmp_path_factory.mktemp("conv") / "conv.html"
    ta.viz.conv_stepper(path)
    return path


SETTINGS = list(itertools.product((1, 2), (0, 1), (1, 2)))


@pytest.mark.parametrize("stride, padding, dilation", SETTINGS)
def test_every_number_of_every_step_by_keyboard_alone(open_page, ours, stride, padding, dilation):
    opened = open_page(ours)
    out = (5 + 2 * padding - 2 * dilation - 1) // stride + 1
    found = {}
    for name, view in itertools.product(PASSES, ("scatter", "gather")):
        opened.page.reload()
        for choice, value in (("pass", name), ("view", view), ("stride", stride), ("padding", padding), ("dilation", dilation)):
            opened.choose(choice, value)
        opened.to_the_steps()
        opened.press("Home")
        shown = opened.read(READ)
        assert [shown[key] for key in ("pass", "view", "by", "stride", "padding", "dilation")] == [name, view, "cell", stride, padding, dilation]
        found[name, view] = walk(opened, *known(ours))
    assert found == {("y", "scatter"): 9, ("y", "gather"): out ** 2, ("dx", "scatter"): out ** 2, ("dx", "gather"): 25, ("dw", "scatter"): out ** 2,
                     ("dw", "gather"): 9, ("db", "scatter"): out ** 2, ("db", "gather"): 1}


@pytest.mark.parametrize("view", ["scatter", "gather"])
@pytest.mark.parametrize("name", PASSES)
def test_every_product_singly(open_page, ours, name, view):
    opened = open_page(ours, f"#pass={name}&view={view}&padding=1&stride=2&by=product")
    opened.to_the_steps()
    assert walk(opened, *known(ours)) == {"y": 81, "dx": 49, "dw": 81, "db": 9}[name]


@pytest.mark.parametrize("name", PASSES)
def test_arrays_of_ones_own(open_page, tmp_path, name):
    """Several channels and filters, sides that differ, numbers with many digits."""
    rng = np.random.default_rng(3)
    x, w, b = rng.standard_normal((2, 4, 5)), rng.standard_normal((2, 2, 3, 2)) * 1000, rng.standard_normal(2) / 1000
    path = tmp_path / "own.html"
    ta.viz.conv_stepper(path, x, w, b, stride=2, padding=(1,), dilation=[1, 6])
    for array, held in zip((x, w, b), known(path)):
        np.testing.assert_array_equal(array, held)
    for view in ("scatter", "gather"):
        opened = open_page(path, f"#pass={name}&view={view}")
        opened.to_the_steps()
        assert walk(opened, x, w, b) > 1


def corruptions():
    """Where a number of the page can be changed: the keys that lead to it, and the view in which every step is then walked."""
    for name, flat in (("x", 12), ("w", 4), ("b", 0)):
        yield (name, flat), "y", "gather"
    for name, flat in (("x", 12), ("w", 4)):
        yield (name, flat), {"x": "dw", "w": "dx"}[name], "scatter"
    yield ("settings", 0, "dy", 4), "db", "scatter"
    for name, out in (("y", 5), ("dx", 7), ("dw", 3), ("db", 0)):
        for kind, at in (("parts", (4, out)), ("sums", (5, out)), ("final", (out,))):
            for view in ("scatter", "gather"):
                yield ("settings", 0, "passes", name, kind, *at), name, view


@pytest.mark.parametrize("keys, name, view", list(corruptions()), ids=lambda value: "-".join(map(str, value)) if isinstance(value, tuple) else value)
def test_a_corrupted_number_is_noticed(open_page, ours, tmp_path, keys, name, view):
    text = ours.read_text(encoding="utf-8")
    before = re.search(r'id="data">(.*?)</script>', text)[1]
    data = json.loads(before)
    place = data
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] += 0.5
    (tmp_path / "changed.html").write_text(text.replace(before, json.dumps(data)), encoding="utf-8")
    opened = open_page(tmp_path / "changed.html", f"#pass={name}&view={view}&by=product")
    opened.to_the_steps()
    with pytest.raises(AssertionError):
        walk(opened, *known(ours))


def test_by_pointer(open_page, ours):
    opened = open_page(ours, "#pass=dx&view=scatter")
    opened.page.locator("#stage [data-grid=dy] [data-at='0,1,2']").click()
    shown = opened.read(READ)
    assert shown["count"] == "6 of 9"
    check(shown, *known(ours))
    opened.page.locator("label:has([name=view][value=gather])").click()
    opened.page.locator("#stage [data-grid=far] [data-at='0,4,4']").click()
    assert opened.read(READ)["count"] == "25 of 25"
    opened.page.locator("label:has([name=pass][value=dw])").click()
    opened.page.locator("label:has([name=by][value=product])").click()
    opened.page.locator("#stage [data-grid=final] [data-at='0,0,1,0']").click()
    shown = opened.read(READ)
    assert shown["count"] == "28 of 81"
    check(shown, *known(ours))


def test_the_tables_without_a_script_hold_the_same_numbers(open_page, ours):
    x, w, b = known(ours)
    opened = open_page(ours, java_script_enabled=False)
    tables = {}
    for figure in opened.page.locator(".still figure").all():
        tables[figure.locator("b").text_content()] = [[number(td.text_content()) for td in row.locator("td").all()] for row in figure.locator("tbody tr").all()]
    dy = np.array(tables.pop("dy"))[None]
    loops = Loops(x, w, b, dy, 1, 0, 1)
    assert len(tables) == 7
    for name, held in tables.items():
        np.testing.assert_allclose(np.ravel(held), loops.arrays[name].ravel(), rtol=1e-3)


def test_what_cannot_be_chosen_is_not_offered(open_page, tmp_path):
    ta.viz.conv_stepper(tmp_path / "p.html", np.ones((1, 4, 4)), stride=1)
    opened = open_page(tmp_path / "p.html")
    held = "[...document.querySelectorAll('input:disabled')].map((input) => input.name + input.value)"
    assert opened.page.evaluate(held) == ["dilation2"]                    # a kernel of 5 on 4 cells needs padding
    opened.choose("padding", 1)
    assert opened.page.evaluate(held) == []
    opened.choose("dilation", 2)
    assert opened.page.evaluate(held) == ["padding0"]
    with pytest.raises(ValueError, match="the output would be empty"):
        ta.viz.conv_stepper(tmp_path / "q.html", np.ones((1, 4, 4)), padding=0, dilation=2)
