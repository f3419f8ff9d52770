// Indices first: what follows until `start` knows nothing of the page. It walks through numbers, it makes none.

// Every pass adds products up: out[…] += source[…] · other[…]. In the view "scatter" a step is a cell of `source`, in "gather" a cell of `out`.
const PASSES = {
  y: { out: "y", source: "w", other: "x" },
  dx: { out: "dx", source: "dy", other: "w" },
  dw: { out: "dw", source: "dy", other: "x" },
  db: { out: "db", source: "dy", other: null },
};
const AXES = { x: "c row col", dx: "c row col", w: "k c r s", dw: "k c r s", y: "k i j", dy: "k i j", b: "k", db: "k" };

function shapeOf(data, setting, name) {
  return { c: data.size, k: name.endsWith("b") ? [data.b.length] : name.endsWith("w") ? data.kernel : setting.out }[AXES[name][0]];
}

const flat = (shape, at) => at.reduce((sum, i, axis) => sum * shape[axis] + i, 0);
const cellsOf = (shape) => shape.reduce((cells, length) => cells.flatMap((cell) => Array.from({ length }, (_, i) => [...cell, i])), [[]]);

// The list of products: each a triple of cells, of y or dy, of w or dw, of x or dx, with the indices that they have.
function triples(data, setting) {
  const [, height, width] = data.size, { stride, padding, dilation } = setting, [, c, r, s] = data.kernel;
  return cellsOf([...setting.out, c, r, s]).map((index) => {
    const [k, i, j, c, r, s] = index, row = i * stride + r * dilation - padding, col = j * stride + s * dilation - padding;
    return { k, i, j, c, r, s, row, col, inside: row >= 0 && row < height && col >= 0 && col < width };
  });
}

const at = (name, triple) => AXES[name].split(" ").map((letter) => triple[letter]);

// The steps of a pass: for each cell that leads (`lead`), the products that it takes part in, in the order in which they are added.
function stepsOf(data, setting, pass, view) {
  const { out, source } = PASSES[pass], lead = view === "scatter" ? source : out, shape = shapeOf(data, setting, lead);
  const sources = shapeOf(data, setting, source), by = cellsOf(shape).map((cell) => ({ cell, lead, terms: [], dropped: [] }));
  for (const triple of triples(data, setting)) {
    if (pass === "db" && (triple.c || triple.r || triple.s)) continue;
    const written = pass !== "dx" || triple.inside, term = { ...triple, order: flat(sources, at(source, triple)) };
    if (written || view === "scatter") by[flat(shape, at(lead, triple))][written ? "terms" : "dropped"].push(term);
  }
  for (const step of by) step.terms.sort((a, b) => a.order - b.order);
  return by;
}

// All places to stop at: after each step, or after each product of each step.
function stopsOf(steps, byProduct) {
  return steps.flatMap((step, i) => (byProduct && step.terms.length ? step.terms.map((_, m) => ({ i, m })) : [{ i, m: step.terms.length - 1 }]));
}

// Where every cell of `out` stands at a stop: its value so far, whether anything has arrived, and whether it is finished.
function standing(data, setting, pass, view, steps, { i, m }) {
  const { out } = PASSES[pass], shape = shapeOf(data, setting, out), { sums, final } = setting.passes[pass], made = final.map(() => ({ begun: false, left: 0 }));
  steps.forEach((step, n) => step.terms.forEach((term, order) => {
    const cell = made[flat(shape, at(out, term))];
    if (n < i || n === i && order <= m) Object.assign(cell, { begun: true, order: term.order });
    else cell.left++;
  }));
  return made.map(({ begun, left, order }, o) => {
    const done = view === "gather" ? o < i || o === i && left === 0 : begun && left === 0;
    return { value: done ? final[o] : begun ? sums[order + 1][o] : sums[0][o], begun: begun || done, done };
  });
}

// A cell's name as it is written: w[2,0]; axes of length 1 before the last two are left out.
function nameOf(data, setting, name, cell) {
  const shape = shapeOf(data, setting, name), kept = cell.filter((_, axis) => shape[axis] > 1 || shape.length > 1 && axis >= shape.length - 2);
  return kept.length ? `${name}[${kept.map((i) => (typeof i === "number" ? number(i) : i)).join(",")}]` : name;
}

const spoken = (value) => number(value, 4);
const many = (count, what) => `${count} ${what}${count === 1 ? "" : "s"}`;

// One product in numbers, in pieces: "dx[2,1]", "+= dy[0,1] · w[2,0]", "= 0.5 × −2", "= −1".
function formula(data, setting, pass, term) {
  const { out, source, other } = PASSES[pass], name = (array) => nameOf(data, setting, array, at(array, term));
  const product = setting.passes[pass].parts[term.order][flat(shapeOf(data, setting, out), at(out, term))];
  const first = valuesOf(data, setting, source)[term.order];
  if (!other) return [name(out), `+= ${name(source)}`, "", `= ${spoken(product)}`];
  const second = term.inside || other === "w" ? valuesOf(data, setting, other)[flat(shapeOf(data, setting, other), at(other, term))] : 0;
  return [name(out), `+= ${name(source)} · ${name(other)}`, `= ${spoken(first)} × ${spoken(second)}`, `= ${spoken(product)}`];
}

function valuesOf(data, setting, name) {
  return { x: data.x, w: data.w, b: data.b, dy: setting.dy }[name] ?? setting.passes[name].final;
}

// What a step does, in a sentence.
function sentence(data, setting, pass, view, step, value) {
  const name = (array, cell = step.cell) => nameOf(data, setting, array, cell), held = step.lead === PASSES[pass].source ? spoken(valuesOf(data, setting, step.lead)[flat(shapeOf(data, setting, step.lead), step.cell)]) : "";
  const count = step.terms.length, off = step.dropped.length, padded = step.terms.filter((term) => !term.inside).length;
  const padding = padded ? ` ${padded} of the products meet padding, which is 0.` : "";
  return {
    "y gather": () => `${name("y")} looks at its window of x: ${many(count, "product")} and the bias make ${spoken(value)}.${padding}`,
    "y scatter": () => `${name("w")} = ${held} multiplies a shifted copy of x, and adds it to ${many(count, "cell")} of y.${padding}`,
    "dx scatter": () => `${name("dy")} = ${held} goes back along the weights that ${name("y")} was made with, to ${many(count, "cell")} of dx.${off ? ` ${many(off, "product")} would fall on the padding: dropped.` : ""}`,
    "dx gather": () => (count ? `${name("x")} was read by ${many(count, "output")}, each through a weight of its own: their dy, times that weight, make ${name("dx")} = ${spoken(value)}.`
      : `No output has read ${name("x")}: ${name("dx")} stays ${spoken(value)}.`),
    "dw scatter": () => `${name("dy")} = ${held} multiplies the window of x that ${name("y")} has seen, and adds it to dw.${padding}`,
    "dw gather": () => `${name("w")} was used in ${many(count, "product")}, one for each output: dy, times the x it met there, makes ${name("dw")} = ${spoken(value)}.${padding}`,
    "db scatter": () => `${name("dy")} = ${held} goes to ${name("db", [step.cell[0]])} as it is: the bias was added to y, times 1.`,
    "db gather": () => `${name("db")} is the sum of the ${many(count, "cell")} of dy that ${name("b")} was added to: ${spoken(value)}.`,
  }[`${pass} ${view}`]();
}

const WHY = {
  "y gather": () => "Gathering, one output at a time: all that it needs. Scattering (the other view) makes the same products in another order.",
  "y scatter": () => "Scattering, one weight at a time: each adds a shifted, scaled copy of the image to the output. The products are the same as in the other view, and so is the result.",
  "dx scatter": () => "What was read is now written to: the same window, the same weights, upright. Where windows overlap, a cell gets a product from each, and they are added up.",
  "dx gather": ({ stride, dilation }) => "Why the kernel is flipped: read the tags on dy from the upper left. The output that lies furthest up and left reached this cell with its last weight, the output furthest down and right with its first, so the weights come in backward order, along rows and along columns. Gathered, dx is a convolution of dy with the kernel turned by 180°."
    + (stride > 1 ? ` With stride ${stride}, only some weights find a dy: as if ${many(stride - 1, "row")} of zeros lay between the rows of dy, and as many columns between its columns.` : "")
    + (dilation > 1 ? ` With dilation ${dilation}, the dy that count lie ${dilation} apart${stride > 1 ? ", before the stride divides" : ""}.` : ""),
  "dw scatter": () => "Each output votes: the window of x beneath it, times its dy. Where dy is large, dw comes to look like what lay in the window.",
  "dw gather": ({ stride, dilation }) => `A convolution too: of x with dy as its kernel. dy is laid on x with its cells ${stride} apart (the stride), and shifted by ${dilation} (the dilation) from one cell of dw to the next.`,
  "db scatter": () => "Every output had the bias added once, so every dy counts once.",
  "db gather": () => "Every output had the bias added once, so every dy counts once.",
};

// Where the cells of a step lie, in numbers: for rows and for columns, the rule and a line for each value of the index that runs.
function places(data, setting, pass, step) {
  if (pass === "db") return [];
  const { stride, padding, dilation, out } = setting, [, height, width] = data.size, [, , rows, cols] = data.kernel;
  const cell = Object.fromEntries(AXES[step.lead].split(" ").map((letter, axis) => [letter, step.cell[axis]]));
  return [["row", "i", "r", height, out[1], rows], ["col", "j", "s", width, out[2], cols]].map(([place, i, r, length, outs, kernel]) => {
    if (place in cell) return { rule: `${i} = (${place} + padding − ${r}·dilation) / stride`, runs: r, lines: Array.from({ length: kernel }, (_, n) => {
      const found = (cell[place] + padding - n * dilation) / stride, why = found % 1 ? "not whole: no dy" : found < 0 || found >= outs ? "no dy there" : "";
      return { n, text: `${r} = ${n}: (${cell[place]} + ${padding} − ${n}·${dilation}) / ${stride} = ${spoken(found)}`, why };
    }) };
    const runs = i in cell ? r : i;
    return { rule: `${place} = ${i}·stride + ${r}·dilation − padding`, runs, lines: Array.from({ length: runs === r ? kernel : outs }, (_, n) => {
      const [a, b] = runs === r ? [cell[i], n] : [n, cell[r]], found = a * stride + b * dilation - padding;
      return { n, text: `${runs} = ${n}: ${a}·${stride} + ${b}·${dilation} − ${padding} = ${spoken(found)}`, why: found < 0 || found >= length ? "padding" : "" };
    }) };
  });
}

// The page itself: one state, drawn anew after every change.
function start() {
  const find = (id) => document.getElementById(id), data = JSON.parse(find("data").textContent), form = document.querySelector(".choices");
  const names = ["stride", "padding", "dilation"], wanted = Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
  for (const name of names) {
    const values = [...new Set(data.settings.map((setting) => setting[name]))];
    find(name).append(...values.map((value) => make("label", [make("input", "", { type: "radio", name, value, ...(value === data.settings[0][name] ? { checked: "" } : {}) }), String(value)])));
  }
  for (const name in wanted) for (const input of form.querySelectorAll(`[name="${CSS.escape(name)}"]`)) if (input.value === wanted[name]) input.checked = true;

  const chosen = (name) => form.elements[name].value;
  const settingOf = (choice) => data.settings.find((setting) => names.every((name) => String(setting[name]) === choice[name]));
  let setting, pass, view, steps, stops;
  const steering = stepper(draw, find("said"));

  // A new choice: other steps. The cell that leads stays where it can.
  function choose(event) {
    const before = steps && { lead: steps[0].lead, cell: steps[stops[current].i].cell.join() };
    const choice = Object.fromEntries(names.map((name) => [name, chosen(name)]));
    for (const name of names) for (const input of find(name).querySelectorAll("input")) input.disabled = !settingOf({ ...choice, [name]: input.value });
    setting = settingOf(choice) ?? setting ?? data.settings[0];
    for (const name of names) form.elements[name].value = setting[name];
    [pass, view] = [chosen("pass"), chosen("view")];
    steps = stepsOf(data, setting, pass, view);
    stops = stopsOf(steps, chosen("by") === "product");
    find("equation").textContent = equation();
    find("why").textContent = WHY[`${pass} ${view}`](setting);
    const same = before && before.lead === steps[0].lead ? stops.findIndex((stop) => steps[stop.i].cell.join() === before.cell) : -1;
    steering.start(stops.length, event ? Math.max(0, same) : Math.min(stops.length, Number(wanted.step) || 1) - 1);
    find("values").replaceChildren(...[["x", "the image"], ["w", "the kernel"], ["b", "the bias"], ["y", "the output"], ["dy", "the gradient that arrives"],
      ["dx", "the gradient to the input"], ["dw", "the gradient to the weight"], ["db", "the gradient to the bias"]].map(([name, words]) => plain(name, words)));
  }

  function equation() {
    const { out, source, other } = PASSES[pass], name = (array) => nameOf(data, setting, array, AXES[array].split(" "));
    return `${name(out)} += ${name(source)}${other ? ` · ${name(other)}` : ""}${pass === "y" ? `, from ${name("y")} = ${name("b")} on` : ""}`;
  }

  let current = 0;
  function draw(stopped) {
    current = stopped;
    const stop = stops[stopped], step = steps[stop.i], byProduct = chosen("by") === "product", { out, source, other } = PASSES[pass];
    const stand = standing(data, setting, pass, view, steps, stop), shape = shapeOf(data, setting, out), now = byProduct ? step.terms[stop.m] : null;
    const lead = { step, stop, now };
    const arrays = { y: [["x"], ["w"]], dx: [["dy"], view === "gather" ? ["w", "turned"] : ["w"]], dw: [["dy"], ["x"]], db: [["dy"]] }[pass];
    find("stage").replaceChildren(...arrays.flatMap((names, i) => [...(i ? [glue("×")] : []), make("div", names.map((name) => given(name, lead)))]),
      glue("→"), far(out, stand, lead), finished(out, lead));
    find("said").textContent = now ? `Product ${stop.m + 1} of ${step.terms.length}: ${formula(data, setting, pass, now).filter(Boolean).join(" ")}. ${nameOf(data, setting, out, at(out, now))} is now ${spoken(stand[flat(shape, at(out, now))].value)}.`
      : sentence(data, setting, pass, view, step, view === "gather" ? stand[stop.i].value : null);
    const { sums } = setting.passes[pass], line = (kind, pieces) => make(`li.formula${kind}`, pieces.flatMap((piece) => [make("span", piece), " "]));
    const lines = step.terms.map((term, m) => line(term === now ? ".now" : "", [...formula(data, setting, pass, term),
      [m <= stop.m ? `→ ${spoken(sums[term.order + 1][flat(shape, at(out, term))])}` : "", !term.inside && other === "x" ? " (padding)" : ""].join("")]));
    if (pass === "y" && view === "gather") lines.unshift(line("", [nameOf(data, setting, "y", step.cell), `= ${nameOf(data, setting, "b", [step.cell[0]])}`, "", `= ${spoken(sums[0][stop.i])}`, ""]));
    lines.push(...step.dropped.map((term) => line(".dropped", [nameOf(data, setting, out, at(out, term)), `   ${nameOf(data, setting, source, at(source, term))} · ${nameOf(data, setting, other, at(other, term))}`, "falls on padding: dropped"])));
    find("products").replaceChildren(...(lines.length ? lines : [make("li.dropped", "None: no product holds this cell.")]));
    find("total").textContent = view === "gather" ? `${nameOf(data, setting, out, step.cell)} ${stand[stop.i].done ? "=" : "so far ="} ${spoken(stand[stop.i].value)}` : "";
    const rules = places(data, setting, pass, step);
    find("index").replaceChildren(...rules.flatMap(({ rule, runs, lines }) => [make("p.formula", rule), make("ul", lines.map(({ n, text, why }) =>
      make(`li.formula${now && now[runs] === n ? ".now" : ""}`, [text, ...(why ? [make("small", ` ${why}`)] : [])])))]),
      ...(rules.length ? [] : [make("p", "Nothing to work out: all cells of dy that belong to a filter go to its bias.")]));
  }

  // --- the arrays as tables

  const glue = (sign) => make("span.glue", sign, { "aria-hidden": "true" });
  const roleOf = (name) => { const { source, other, out } = PASSES[pass]; return { [source]: "source", [other]: "other", [out]: "out" }[name]; };
  const WORDS = { x: "the image", w: "the kernel", dy: "arrives from y", turned: "by 180°" };
  // Which cells carry a tag, and what it names: the partner's cell.
  const tags = () => ({ "y gather": ["x", "w"], "y scatter": ["y", "x"], "dx scatter": ["dx", "w"], "dx gather": ["dy", "w"], "dw scatter": ["x", "dw"], "dw gather": ["x", "dy"] }[`${pass} ${view}`] ?? []);

  // What each cell of an array has to do with the step: the products it is in, and whether the one just made is among them.
  function parts(name, { step, now }) {
    const found = new Map();
    for (const term of [...step.terms, ...step.dropped]) {
      const key = at(name, term).join(), part = found.get(key) ?? { terms: [], now: false };
      part.terms.push(term);
      part.now ||= term === now;
      found.set(key, part);
    }
    if (name === step.lead) found.set(step.cell.join(), { terms: [], ...found.get(step.cell.join()), now: true });
    return found;
  }

  function given(shown, lead) {
    const turned = shown === "turned", name = turned ? "w" : shown, values = valuesOf(data, setting, name), shape = shapeOf(data, setting, name);
    return grid(turned ? "turned" : name, turned ? "w, turned" : name, WORDS[shown], shape, { padded: name === "x", turned, lead, array: name }, (cell, inside) => ({ text: inside ? spoken(values[flat(shape, cell)]) : "0" }));
  }

  function far(name, stand, lead) {
    const shape = shapeOf(data, setting, name);
    return grid("far", `${name} so far`, "bold: finished", shape, { padded: name === "dx", lead, array: name }, (cell, inside) => {
      const { value, begun, done } = inside ? stand[flat(shape, cell)] : {};
      return { text: inside ? spoken(value) : "", kind: done ? "done" : begun ? "" : "empty" };
    });
  }

  function finished(name, { step }) {
    const made = plain(name, "after all steps", step.lead === name);
    made.classList.add("small");
    made.dataset.grid = "final";
    made.querySelector("b").textContent = `${name} finished`;
    return made;
  }

  function plain(name, words, jumps = false) {
    const shape = shapeOf(data, setting, name), values = valuesOf(data, setting, name);
    return grid(name, name, words, shape, { array: name, jumps }, (cell) => ({ text: spoken(values[flat(shape, cell)]) }));
  }

  // An array as tables, one for each plane. options: padded (show the ring around it), turned, lead (the step whose cells are to be marked).
  function grid(id, title, words, shape, { padded, turned, lead, array, jumps }, content) {
    const [rows, cols] = [1, 1, ...shape].slice(-2), ring = padded ? setting.padding : 0, planes = cellsOf(shape.slice(0, -2)), role = lead ? roleOf(array) : null;
    const taking = lead ? parts(array, lead) : new Map(), [tagged, partner] = lead ? tags() : [];
    const run = (length) => { const all = Array.from({ length: length + 2 * ring }, (_, i) => i - ring); return turned ? all.reverse() : all; };
    const tables = planes.map((plane) => {
      const body = run(rows).map((row) => make("tr", [...(shape.length > 1 ? [make("th", number(row), { scope: "row" })] : []), ...run(cols).map((col) => {
        const cell = shape.length > 1 ? [...plane, row, col] : [col], inside = row >= 0 && row < rows && col >= 0 && col < cols, part = taking.get(cell.join());
        const { text, kind } = content(cell, inside), classes = [inside ? "" : "pad", text.length > 4 ? "long" : "", kind, part ? role : "", part?.now ? "now" : "", (lead?.step.lead ?? (jumps && array)) === array && inside ? "jump" : ""];
        const made = make("td", make("span", text), { "data-at": cell.join() });
        made.className = classes.filter(Boolean).join(" ");
        if (part && part.terms.length && array === tagged && !turned) made.append(make("span.tag", `${partner} ${at(partner, part.terms[0]).slice(-2).map((i) => number(i)).join(",")}`));
        return made;
      })]));
      const head = make("thead", make("tr", [...(shape.length > 1 ? [make("td")] : []), ...run(cols).map((col) => make("th", number(col), { scope: "col" }))]));
      const letters = AXES[array].split(" ").map((letter, axis) => [{ k: "filter", c: "channel" }[letter], plane[axis]]).filter(([, i], axis) => i !== undefined && shape[axis] > 1);
      const caption = make("caption.plane", letters.map(([word, i]) => `${word} ${i}`).join(", "));
      return make("table", [...(letters.length ? [caption] : []), ...(shape.length > 1 || cols > 1 ? [head] : []), make("tbody", body)]);
    });
    const mark = role ? [make(`span.role.${role}`, "", { "aria-hidden": "true" })] : [];
    return make("figure.grid", [make("figcaption", [make("b", [...mark, title]), words]), ...tables], { "data-grid": id });
  }

  form.addEventListener("change", choose);
  document.addEventListener("click", (event) => {
    const cell = event.target.closest("td.jump");
    if (cell) steering.go(stops.findIndex((stop) => steps[stop.i].cell.join() === cell.dataset.at));
  });
  choose();
}

start();
