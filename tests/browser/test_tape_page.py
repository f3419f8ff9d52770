"""The page of a tape: every number that it shows, at every step of the sweep, against NumPy; the order against the sweep of `backward` itself."""
import json
import re

import numpy as np
import pytest
from shown import agree, number

import tinyattn as ta
from tinyattn import nn

READ = """() => {
  const tables = (figure) => [...figure.querySelectorAll("tbody td, .alone, dd")].map((cell) => cell.textContent);
  const figures = (id) => [...document.querySelectorAll(`#${id} figure`)].map((figure) => ({name: figure.querySelector("b").textContent, held: tables(figure),
    words: figure.querySelector("figcaption").lastChild.textContent}));
  const marked = (kind) => [...new Set([...document.querySelectorAll(`[data-node].${kind}`)].map((node) => Number(node.dataset.node)))];
  return { count: document.querySelector(".count").textContent, said: document.querySelector("#said").textContent, title: document.querySelector("#node-title").textContent,
    formula: document.querySelector("#formula").textContent, where: document.querySelector("#where").textContent, code: document.querySelector("#code").textContent,
    incoming: figures("incoming"), keeps: figures("keeps"), sends: figures("sends"), leaves: figures("leaves"), waiting: document.querySelector("#waiting").textContent, now: marked("now"), done: marked("done") };
}"""

X = np.array([[0.3, -0.4], [1.2, 0.7], [-0.5, 0.25]])
W = np.array([[0.5, -1.5, 0.2], [0.75, 0.4, -0.6]])
B = np.array([0.1, -0.2, 0.3])


def small():
    """A network with a parameter that is broadcast, a Python number, data without gradient, and a value that is used three times."""
    x, w, b = ta.tensor(X), ta.tensor(W, requires_grad=True), ta.tensor(B, requires_grad=True)
    h = (x @ w + b).relu()
    s = h * h
    z = 2 * s + h
    loss = z.mean()
    return loss, {"x": x, "w": w, "b": b, "h": h, "s": s, "z": z, "loss": loss}


def by_hand():
    """For each operation by its title: what arrives, and what it sends to whom, and what it keeps, by the formulas of calculus in float64."""
    h = np.maximum(X @ W + B, 0)
    dz = np.full((3, 3), 1 / 9)
    ds = 2 * dz
    dh = dz + h * ds + h * ds
    da = dh * (h > 0)
    return {
        "loss (mean)": ([np.array(1.0)], [("z (add)", dz)], [(2 * h * h + h).mean()]),
        "z (add)": ([dz], [("mul", dz), ("h (relu)", dz)], [2 * h * h + h]),
        "mul": ([dz], [("s (mul)", ds)], [np.array(2.0)]),
        "s (mul)": ([ds], [("h (relu)", h * ds), ("h (relu)", h * ds)], [h, h, h * h]),
        "h (relu)": ([dh], [("add", da)], [h]),
        "add": ([da], [("matmul", da), ("b", da.sum(0))], []),
        "matmul": ([da], [("w", X.T @ da)], [X, W]),
    }


def same(texts, array):
    """Whether texts show an array's numbers, each one."""
    values = np.ravel(array)
    return len(texts) == len(values) and all(map(agree, texts, values))


def check(shown, sent):
    """Compare all that the page shows at a step with calculus; `sent` collects what leaves have got."""
    if shown["title"] == "Start":
        assert same(shown["sends"][0]["held"], 1.0) and shown["sends"][0]["name"] == "to loss (mean)" and not shown["now"]
    else:
        arrives, sends, kept = by_hand()[shown["title"]]
        assert len(shown["incoming"]) == len(arrives) and all(same(figure["held"], array) for figure, array in zip(shown["incoming"], arrives))
        assert [figure["name"] for figure in shown["sends"]] == [f"to {name}" for name, _ in sends]
        assert all(same(figure["held"], array) for figure, (_, array) in zip(shown["sends"], sends)), shown["sends"]
        assert len(shown["keeps"]) == len(kept) and all(same(figure["held"], array) for figure, array in zip(shown["keeps"], kept)), shown["keeps"]
        for name, array in sends:
            sent.setdefault(name, []).append(array)
        told = re.findall(r"(\w+(?: \(\w+\))?) \((\d) of (\d) that it will get\)", shown["said"])
        assert told == [(name, str(len(sent[name]) - [n for n, _ in sends[i + 1:]].count(name)), str({"h (relu)": 3}[name]))
                        for i, (name, _) in enumerate(sends) if name == "h (relu)"]
    arrived = {figure["name"]: figure["held"] for figure in shown["leaves"]}
    assert set(arrived) == {"w", "b"} & set(sent) and all(same(held, sum(sent[name])) for name, held in arrived.items())
    assert set(re.findall(r"\b[wb]\b", shown["waiting"])) == {"w", "b"} - set(sent)


def walk(opened):
    sent, titles = {}, []
    for shown in opened.walk(READ):
        check(shown, sent)
        titles.append(shown["title"])
    return titles, sent


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    path = tmp_path_factory.mktemp("tape") / "tape.html"
    loss, names = small()
    ta.viz.tape(loss, path, names=names)
    return path


def test_every_number_of_every_step_by_keyboard_alone(open_page, page):
    opened = open_page(page)
    opened.tab_to("e.dataset.go === 'first'")
    titles, sent = walk(opened)
    assert titles[:2] == ["Start", "loss (mean)"] and set(titles) == {"Start", *by_hand()} and len(titles) == 8
    loss, names = small()
    loss.backward()
    for name in ("w", "b"):
        np.testing.assert_allclose(sum(sent[name]), names[name].grad.data, rtol=1e-12)


def test_the_order_is_that_of_backward(open_page, page):
    loss, names = small()
    ran, operations, waiting = [], {}, [loss.grad_fn]
    while waiting:
        node = waiting.pop()
        if node not in operations:
            operations[node] = None
            waiting += [edge[0] for edge in node.edges if edge and not hasattr(edge[0], "requires_grad")]
    for node in operations:                                               # hooks of the engine's own, as register_hook leaves them
        node.hooks = {0: {0: lambda g, node=node: ran.append(node.name)}}
    loss.backward()
    titles, _ = walk(open_page(page))
    assert [re.sub(r".*\((\w+)\)", r"\1", title) for title in titles[1:]] == ran


def test_what_is_marked(open_page, page):
    data = json.loads(re.search(r'id="data">(.*?)</script>', page.read_text(encoding="utf-8"))[1])
    done = set()
    for shown, step in zip(open_page(page).walk(READ), data["steps"]):
        node = step["node"]
        assert shown["now"] == ([] if node is None else [node])
        leaves = {send["to"] for send in step["sends"] if data["nodes"][send["to"]]["kind"] == "leaf" and send["arrived"] == send["of"]}
        assert set(shown["done"]) == done | leaves
        done |= leaves | ({node} if node is not None else set())
        if node is not None:
            assert shown["formula"] == data["nodes"][node]["formula"] and shown["code"] == data["nodes"][node]["source"]["code"]
            assert re.fullmatch(r"tinyattn/ops/\w+\.py:\d+", shown["where"])
    assert done == {i for i, node in enumerate(data["nodes"]) if node["kind"] != "constant"}


def places():
    """Where a number of the page can be changed: a path into its data."""
    yield "steps", 0, "sends", 0, "gradient", "values", 0
    for i in (1, 3, 5, 7):
        yield "steps", i, "incoming", 0, "values", 0
        yield "steps", i, "sends", 0, "gradient", "values", 0
    yield "steps", 7, "sends", 0, "sofar", "values", 4
    yield "nodes", 0, "outputs", 0, "value", "values", 0


@pytest.mark.parametrize("keys", list(places()), ids=lambda keys: "-".join(map(str, keys)))
def test_a_corrupted_number_is_noticed(open_page, page, tmp_path, keys):
    text = page.read_text(encoding="utf-8")
    before = re.search(r'id="data">(.*?)</script>', text)[1]
    data = json.loads(before)
    place = data
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] += 0.25
    (tmp_path / "changed.html").write_text(text.replace(before, json.dumps(data)), encoding="utf-8")
    with pytest.raises(AssertionError):
        walk(open_page(tmp_path / "changed.html"))


def test_a_real_network_with_large_tensors(open_page, tmp_path):
    """What large tensors come to, against the gradients of `backward`."""
    rng = np.random.default_rng(0)
    ta.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 6 * 6, 5))
    x = ta.tensor(rng.standard_normal((2, 1, 8, 8)).astype(np.float32))
    loss = nn.functional.cross_entropy(model(x), ta.tensor([1, 2]))
    ta.viz.tape(loss, tmp_path / "net.html", names=model)
    assert all(p.grad is None for p in model.parameters())
    loss.backward()                                                       # the page has left the graph as it was
    opened = open_page(tmp_path / "net.html")
    last = opened.walk(READ)[-1]
    assert {figure["name"] for figure in last["leaves"]} == {name for name, _ in model.named_parameters()}
    for figure in last["leaves"]:
        gradient = dict(model.named_parameters())[figure["name"]].grad.data
        if gradient.size <= 24:
            np.testing.assert_allclose([number(text) for text in figure["held"]], gradient.ravel(), rtol=6e-4, atol=1e-6)
        else:
            # means of what nearly cancels depend on the order of adding
            np.testing.assert_allclose([number(text) for text in figure["held"]], [gradient.min(), gradient.mean(), gradient.max()], rtol=6e-4, atol=1e-6)


def test_by_pointer(open_page, page):
    opened = open_page(page)
    opened.page.locator("svg.across .node.operation", has_text="h = relu").click()
    shown = opened.page.evaluate(READ)
    assert shown["title"] == "h (relu)" and shown["count"] == "6 of 8"


def test_without_a_script_the_same_numbers(open_page, page):
    opened = open_page(page, java_script_enabled=False)
    items = opened.page.locator(".still > ol > li").all()
    assert len(items) == 8
    hand = by_hand()
    for item, title in zip(items[1:], ["loss (mean)", None, None, None, None, None, "matmul"]):
        if title:
            arrives, sends, _ = hand[title]
            found = [[number(td.text_content()) for td in figure.locator("tbody td").all()] for figure in item.locator("figure").all()]
            for held, array in zip(found, [*arrives, *(array for _, array in sends)]):
                np.testing.assert_allclose(held, np.ravel(array), rtol=6e-4)
    assert opened.page.locator("svg.across").is_visible() and not opened.page.locator("svg.narrow").is_visible()
