// The picture is in the page; what follows marks it, and shows the numbers of a step. It makes none.

function start() {
  const find = (id) => document.getElementById(id), data = JSON.parse(find("data").textContent), { nodes, edges, steps } = data;
  const all = (selector) => [...document.querySelectorAll(selector)], spoken = (value) => number(value, 4);
  const nameOf = (i) => (nodes[i].called ? `${nodes[i].called} (${nodes[i].name})` : nodes[i].name);
  const shapeOf = (shape) => (shape.length ? `shape ${shape.join(" × ")}` : "a scalar");
  const leaves = nodes.flatMap((node, i) => (node.kind === "leaf" ? [i] : []));
  const steering = stepper(draw, find("said"));

  // What has gone where after a step: for each node and output the last delivery, and for each edge whether it has carried its gradient.
  function stateAt(last) {
    const delivered = new Map(), carried = new Set();
    steps.slice(0, last + 1).forEach((step) => {
      const own = edges.flatMap(([, to, carries], n) => (carries && to === step.node ? [n] : []));
      for (const send of step.sends) {
        delivered.delete(`${send.to} ${send.output}`);                      // so that the latest stands last
        delivered.set(`${send.to} ${send.output}`, send);
        const n = own.find((n) => edges[n][0] === send.to && !carried.has(n));
        if (n !== undefined) carried.add(n);
      }
    });
    return { delivered, carried };
  }

  function draw(at) {
    const step = steps[at], { delivered, carried } = stateAt(at), before = at ? stateAt(at - 1).carried : new Set();
    const done = new Set(steps.slice(0, at).map((each) => each.node)), current = step.node;
    for (const group of all("[data-node]")) {
      const i = Number(group.dataset.node), arrived = [...delivered].filter(([key]) => key.split(" ")[0] === String(i)).map(([, send]) => send);
      const whole = arrived.length > 0 && arrived.every((send) => send.arrived === send.of), finished = nodes[i].kind === "leaf" ? whole : done.has(i);
      const wanted = { now: i === current, done: finished, some: !finished && i !== current && arrived.length > 0 };
      for (const name in wanted) group.classList.toggle(name, wanted[name]);
      group.querySelector(".mark").textContent = i === current ? "▸" : finished ? "✓" : "";
    }
    for (const path of all("[data-edge]")) {
      const n = Number(path.dataset.edge);
      path.classList.toggle("now", carried.has(n) && !before.has(n));
      path.classList.toggle("done", before.has(n));
    }
    find("said").textContent = sentence(step);
    showNode(step);
    const latest = [...delivered.values()].reverse().filter((send) => nodes[send.to].kind === "leaf"), waiting = leaves.filter((i) => !delivered.has(`${i} 0`));
    find("leaves").replaceChildren(...latest.map((send) => tensor(nodes[send.to].name, `${send.arrived} of ${send.of} arrived`, send.sofar, step.sends.includes(send))));
    find("waiting").textContent = waiting.length ? `Nothing has arrived yet at ${listed(waiting.map((i) => nodes[i].name))}.` : "";
    const box = find("graph"), shown = all(`[data-node="${current ?? step.sends[0].to}"]`).find((group) => group.getClientRects().length);
    if (shown && box.scrollHeight > box.clientHeight + 2) {
      const [inner, outer] = [shown.getBoundingClientRect(), box.getBoundingClientRect()];
      box.scrollTop += inner.top + inner.height / 2 - outer.top - outer.height / 2;
      box.scrollLeft += inner.left + inner.width / 2 - outer.left - outer.width / 2;
    }
  }

  const listed = (names) => (names.length > 1 ? `${names.slice(0, -1).join(", ")} and ${names.at(-1)}` : names.join());

  function sentence(step) {
    const to = step.sends.map((send) => `${nameOf(send.to)}${send.of > 1 ? ` (${send.arrived} of ${send.of} that it will get)` : ""}`);
    const list = listed(to);
    if (step.node === null) return `The sweep starts at the loss: its gradient to itself is handed to ${list}, which made it.`;
    return `${nameOf(step.node)} has all that arrives at it. It multiplies by its local derivative, and sends a gradient to ${list || "nobody"}.`;
  }

  function showNode(step) {
    const node = step.node === null ? null : nodes[step.node];
    find("node-title").textContent = node ? nameOf(step.node) : "Start";
    find("formula").textContent = node ? node.formula : "∂loss/∂loss";
    find("called").textContent = node?.line ? `called at ${node.line}` : "";
    const count = step.incoming.length, numbered = (word, i, of) => `${word}${of > 1 ? ` ${i + 1}` : ""}`;
    fill("incoming", step.incoming.map((held, i) => held && tensor(`gradient of its ${numbered("output", i, count)}`, "", held)), "Nothing yet.");
    const outputs = (node?.outputs ?? []).map(({ value }, i, all) => value && tensor(`its ${numbered("output", i, all.length)}`, "", value));
    const kept = (node?.keeps ?? []).filter((held) => held.name !== "its output").map((held) => tensor(held.name, "", held));
    fill("keeps", [...kept, ...outputs], "Nothing is kept: its derivative does not depend on values.");
    fill("sends", step.sends.map((send) => tensor(`to ${nameOf(send.to)}`, send.of > 1 ? `${send.arrived} of ${send.of}` : "", send.gradient)), "Nothing.");
    find("where").textContent = node ? node.source?.where ?? "Python cannot say where it is written." : "";
    find("code").textContent = node ? node.source?.code ?? "" : "";
    find("code").hidden = !node?.source;
    for (const id of ["incoming", "keeps"]) find(id).parentElement.hidden = !node;
    find("written").hidden = !node;
  }

  function fill(id, figures, none) {
    const there = figures.filter(Boolean);
    find(id).replaceChildren(...(there.length ? there : [make("p.none", none)]));
  }

  // A tensor in full, as tables of its planes, or, of a large one, what it comes to.
  function tensor(name, words, held, now = false) {
    const caption = make("figcaption", [make("b", name), [held ? shapeOf(held.shape) : "", words].filter(Boolean).join(", ")]);
    const wide = held?.values && held.shape.at(-1) > 4 ? { tabindex: "0" } : {};                // it may have to scroll: by keyboard too
    return make(`figure.grid.small${now ? ".now" : ""}`, [caption, ...(held ? bodies(held) : [])], wide);
  }

  function bodies(held) {
    if (!held.values) return [make("dl", ["least", "mean", "most"].flatMap((word) => [make("dt", word), make("dd", spoken(held[word]))]))];
    if (!held.shape.length) return [make("p.alone", spoken(held.values[0]))];
    const [rows, cols] = [1, ...held.shape].slice(-2), line = held.shape.length === 1, planes = rows * cols ? held.values.length / (rows * cols) : 0;
    const range = (length, made) => Array.from({ length }, (_, i) => made(i)), heading = (i, scope) => make("th", String(i), { scope });
    const head = () => make("thead", make("tr", [...(line ? [] : [make("td")]), ...range(cols, (j) => heading(j, "col"))]));
    const row = (p, i) => make("tr", [...(line ? [] : [heading(i, "row")]),
      ...range(cols, (j) => make("td", make("span", spoken(held.values[(p * rows + i) * cols + j]))))]);
    return range(planes, (p) => make("table", [...(planes > 1 ? [make("caption.plane", `plane ${p}`)] : []), head(), make("tbody", range(rows, (i) => row(p, i)))]));
  }

  document.addEventListener("click", (event) => {
    const group = event.target.closest(".node.operation");
    if (group) steering.go(steps.findIndex((step) => step.node === Number(group.dataset.node)));
  });
  const wanted = Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
  steering.start(steps.length, Math.min(steps.length, Number(wanted.step) || 1) - 1);
}

start();
