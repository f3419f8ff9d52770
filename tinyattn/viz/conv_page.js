// The page of a convolution: one state, drawn anew after every change.
const ALL = [["x", "the image"], ["w", "the kernel"], ["b", "the bias"], ["y", "the output"], ["dy", "the gradient that arrives"],
  ["dx", "the gradient to the input"], ["dw", "the gradient to the weight"], ["db", "the gradient to the bias"]];
const GIVEN = { x: "the image", w: "the kernel", dy: "arrives from y", turned: "by 180°" };

function start() {
  const find = (id) => document.getElementById(id), data = JSON.parse(find("data").textContent), form = document.querySelector(".choices");
  const names = ["stride", "padding", "dilation"], wanted = Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
  for (const name of names) for (const value of new Set(data.settings.map((setting) => setting[name]))) {
    const input = make("input", "", { type: "radio", name, value });
    input.checked = value === data.settings[0][name];
    find(name).append(make("label", [input, String(value)]));
  }
  for (const name in wanted) for (const input of form.querySelectorAll(`[name="${CSS.escape(name)}"]`)) if (input.value === wanted[name]) input.checked = true;

  const chosen = (name) => form.elements[name].value;
  const settingOf = (choice) => data.settings.find((setting) => names.every((name) => String(setting[name]) === choice[name]));
  let setting, walk, stops, current = 0;
  const steering = stepper(draw, find("said"));

  // A new choice: other steps. The cell that leads stays where it can.
  function choose(event) {
    const before = walk && { lead: walk.lead, cell: walk.steps[stops[current].i].cell.join() };
    const choice = Object.fromEntries(names.map((name) => [name, chosen(name)]));
    for (const name of names) for (const input of find(name).querySelectorAll("input")) input.disabled = !settingOf({ ...choice, [name]: input.value });
    setting = settingOf(choice) ?? setting ?? data.settings[0];
    for (const name of names) form.elements[name].value = setting[name];
    walk = walkOf(data, setting, chosen("pass"), chosen("view"));
    stops = walk.stops(chosen("by") === "product");
    find("equation").textContent = equation();
    find("why").textContent = WHY[`${walk.pass} ${walk.view}`](setting);
    const same = before && before.lead === walk.lead ? stops.findIndex((stop) => walk.steps[stop.i].cell.join() === before.cell) : -1;
    steering.start(stops.length, event ? Math.max(0, same) : Math.min(stops.length, Number(wanted.step) || 1) - 1);
    find("values").replaceChildren(...ALL.map(([name, words]) => finished(name, name, words)));
  }

  function equation() {
    const { out, source, other, pass } = walk, name = (array) => walk.nameOf(array, axes(array));
    return `${name(out)} += ${name(source)}${other ? ` · ${name(other)}` : ""}${pass === "y" ? `, from ${name("y")} = ${name("b")} on` : ""}`;
  }

  function draw(stopped) {
    current = stopped;
    const stop = stops[stopped], step = walk.steps[stop.i], now = chosen("by") === "product" ? step.terms[stop.m] : null;
    const stand = walk.standing(stop), lead = { step, now }, { pass, view, out, at, nameOf } = walk;
    const columns = { y: [["x"], ["w"]], dx: [["dy"], view === "gather" ? ["w", "turned"] : ["w"]], dw: [["dy"], ["x"]], db: [["dy"]] }[pass];
    const small = finished(out, `${out} finished`, "after all steps", walk.lead === out);
    small.classList.add("small");
    small.dataset.grid = "final";
    find("stage").replaceChildren(...columns.flatMap((column, i) => [...(i ? [glue("×")] : []), make("div", column.map((name) => given(name, lead)))]),
      glue("→"), soFar(stand, lead), small);
    const value = (term) => spoken(stand[walk.place(out, at(out, term))].value);
    find("said").textContent = now
      ? `Product ${stop.m + 1} of ${step.terms.length}: ${walk.formula(now).filter(Boolean).join(" ")}. ${nameOf(out, at(out, now))} is now ${value(now)}.`
      : walk.sentence(step, view === "gather" ? stand[stop.i].value : null);
    const lines = products(step, stop, now);
    find("products").replaceChildren(...(lines.length ? lines : [make("li.dropped", "None: no product holds this cell.")]));
    const { done, value: reached } = stand[stop.i] ?? {};
    find("total").textContent = view === "gather" ? `${nameOf(out, step.cell)} ${done ? "=" : "so far ="} ${spoken(reached)}` : "";
    const rules = walk.places(step), words = (text, why) => [text, ...(why ? [make("small", ` ${why}`)] : [])];
    find("index").replaceChildren(...rules.flatMap(({ rule, runs, lines }) => [make("p.formula", rule),
      make("ul", lines.map(({ n, text, why }) => make(`li.formula${now && now[runs] === n ? ".now" : ""}`, words(text, why))))]),
      ...(rules.length ? [] : [make("p", "Nothing to work out: all cells of dy that belong to a filter go to its bias.")]));
  }

  // The products of a step, a line each; in `gather`, forward, after the bias that they are added to.
  function products(step, stop, now) {
    const { pass, view, out, source, other, at, nameOf } = walk;
    const line = (kind, pieces) => make(`li.formula${kind}`, pieces.flatMap((piece) => [make("span", piece), " "]));
    const lines = step.terms.map((term, m) => line(term === now ? ".now" : "", [...walk.formula(term),
      (m <= stop.m ? `→ ${spoken(walk.soFar(term))}` : "") + (!term.inside && other === "x" ? " (padding)" : "")]));
    if (pass === "y" && view === "gather") {
      lines.unshift(line("", [nameOf("y", step.cell), `= ${nameOf("b", [step.cell[0]])}`, "", `= ${spoken(walk.start[stop.i])}`, ""]));
    }
    return [...lines, ...step.dropped.map((term) => line(".dropped", [nameOf(out, at(out, term)),
      `${nameOf(source, at(source, term))} · ${nameOf(other, at(other, term))}`, "falls on padding: dropped"]))];
  }

  // --- the arrays as tables

  const glue = (sign) => make("span.glue", sign, { "aria-hidden": "true" });

  // What each cell of an array has to do with the step: the products it is in, and whether the one just made is among them.
  function taking(name, { step, now }) {
    const found = new Map();
    for (const term of [...step.terms, ...step.dropped]) {
      const key = walk.at(name, term).join(), part = found.get(key) ?? { terms: [], now: false };
      part.terms.push(term);
      part.now ||= term === now;
      found.set(key, part);
    }
    if (name === step.lead) found.set(step.cell.join(), { terms: [], ...found.get(step.cell.join()), now: true });
    return found;
  }

  function given(shown, lead) {
    const turned = shown === "turned", array = turned ? "w" : shown, values = walk.values(array);
    const text = (cell, inside) => ({ text: inside ? spoken(values[walk.place(array, cell)]) : "0" });
    return grid(shown, turned ? "w, turned" : array, GIVEN[shown], { array, lead, turned, padded: array === "x" }, text);
  }

  function soFar(stand, lead) {
    return grid("far", `${walk.out} so far`, "bold: finished", { array: walk.out, lead, padded: walk.out === "dx" }, (cell, inside) => {
      if (!inside) return { text: "" };
      const { value, begun, done } = stand[walk.place(walk.out, cell)];
      return { text: spoken(value), kind: done ? "done" : begun ? "" : "empty" };
    });
  }

  function finished(array, title, words, jumps = false) {
    return grid(array, title, words, { array, jumps }, (cell) => ({ text: spoken(walk.values(array)[walk.place(array, cell)]) }));
  }

  // An array as tables, one for each plane. options: padded (show the ring around it), turned (backwards), lead (the step whose cells are
  // to be marked), jumps (a click on a cell leads to its step). content(cell, inside) is what a cell says, and what kind it is.
  function grid(id, title, words, { array, lead, padded, turned, jumps }, content) {
    const shape = walk.shape(array), [rows, cols] = [1, ...shape].slice(-2), line = shape.length === 1, ring = padded ? setting.padding : 0;
    const role = lead && ["source", "other", "out"].find((each) => walk[each] === array), parts = lead ? taking(array, lead) : new Map();
    const [tagged, partner] = lead && !turned ? TAGS[`${walk.pass} ${walk.view}`] ?? [] : [], clicks = lead ? walk.lead === array : jumps;
    const run = (length) => { const all = Array.from({ length: length + 2 * ring }, (_, i) => i - ring); return turned ? all.reverse() : all; };
    const cellOf = (cell) => {
      const inside = cell.slice(-2).every((i, axis) => i >= 0 && i < shape.slice(-2)[axis]), part = parts.get(cell.join()), { text, kind } = content(cell, inside);
      const made = make("td", make("span", text), { "data-at": cell.join() });
      made.classList.add(...[!inside && "pad", text.length > 4 && "long", kind, part && role, part?.now && "now", clicks && inside && "jump"].filter(Boolean));
      if (part?.terms.length && array === tagged) {
        made.append(make("span.tag", `${partner} ${walk.at(partner, part.terms[0]).slice(-2).map((i) => number(i)).join(",")}`));
      }
      return made;
    };
    const heading = (i, scope) => make("th", number(i), { scope });
    const tables = cellsOf(shape.slice(0, -2)).map((plane) => {
      const which = plane.flatMap((i, axis) => (shape[axis] > 1 ? [`${{ k: "filter", c: "channel" }[axes(array)[axis]]} ${i}`] : []));
      const body = run(rows).map((row) => make("tr", [...(line ? [] : [heading(row, "row")]), ...run(cols).map((col) => cellOf(line ? [col] : [...plane, row, col]))]));
      const head = make("thead", make("tr", [...(line ? [] : [make("td")]), ...run(cols).map((col) => heading(col, "col"))]));
      return make("table", [...(which.length ? [make("caption.plane", which.join(", "))] : []), ...(line && cols === 1 ? [] : [head]), make("tbody", body)]);
    });
    const mark = role ? [make(`span.role.${role}`, "", { "aria-hidden": "true" })] : [];
    return make("figure.grid", [make("figcaption", [make("b", [...mark, title]), words]), ...tables], { "data-grid": id });
  }

  form.addEventListener("change", choose);
  document.addEventListener("click", (event) => {
    const cell = event.target.closest("td.jump");
    if (cell) steering.go(stops.findIndex((stop) => walk.steps[stop.i].cell.join() === cell.dataset.at));
  });
  choose();
}

start();
