// The indices of a convolution, and its steps in words and formulas. It knows nothing of the page, walks through numbers, and makes none.

// Every pass adds products up: out[…] += source[…] · other[…]. In the view "scatter" a step is a cell of `source`, in "gather" a cell of `out`.
const PASSES = {
  y: { out: "y", source: "w", other: "x" },
  dx: { out: "dx", source: "dy", other: "w" },
  dw: { out: "dw", source: "dy", other: "x" },
  db: { out: "db", source: "dy", other: null },
};
const axes = (name) => ({ x: "c row col", dx: "c row col", w: "k c r s", dw: "k c r s", y: "k i j", dy: "k i j", b: "k", db: "k" })[name].split(" ");

const flat = (shape, cell) => cell.reduce((sum, i, axis) => sum * shape[axis] + i, 0);
const cellsOf = (shape) => shape.reduce((cells, length) => cells.flatMap((cell) => Array.from({ length }, (_, i) => [...cell, i])), [[]]);
const many = (count, what) => `${count} ${what}${count === 1 ? "" : "s"}`;
const spoken = (value) => number(value, 4);

// One pass of one convolution, seen from one side.
function walkOf(data, setting, pass, view) {
  const { out, source, other } = PASSES[pass], lead = view === "scatter" ? source : out, { stride, padding, dilation } = setting;
  const [, height, width] = data.size, [, , rows, cols] = data.kernel, { parts, sums, final } = setting.passes[pass];

  const shape = (name) => (name.endsWith("b") ? [data.b.length] : name.endsWith("w") ? data.kernel : name.endsWith("y") ? setting.out : data.size);
  const values = (name) => ({ x: data.x, w: data.w, b: data.b, dy: setting.dy })[name] ?? setting.passes[name].final;
  const place = (name, cell) => flat(shape(name), cell);
  const at = (name, term) => axes(name).map((letter) => term[letter]);

  // A cell's name as it is written: w[2,0]; axes of length 1 before the last two are left out.
  function nameOf(name, cell) {
    const lengths = shape(name), kept = cell.filter((_, axis) => lengths[axis] > 1 || lengths.length > 1 && axis >= lengths.length - 2);
    return kept.length ? `${name}[${kept.map((i) => (typeof i === "number" ? number(i) : i)).join(",")}]` : name;
  }

  // The list of products: each a triple of cells, of y or dy, of w or dw, of x or dx, with the indices that they have.
  function triples() {
    return cellsOf([...setting.out, ...data.kernel.slice(1)]).map(([k, i, j, c, r, s]) => {
      const row = i * stride + r * dilation - padding, col = j * stride + s * dilation - padding;
      return { k, i, j, c, r, s, row, col, inside: row >= 0 && row < height && col >= 0 && col < width };
    });
  }

  // The steps: for each cell that leads, the products that it takes part in, in the order in which they are added; and those that fall on padding.
  const steps = cellsOf(shape(lead)).map((cell) => ({ cell, lead, terms: [], dropped: [] }));
  for (const triple of triples()) {
    if (pass === "db" && (triple.c || triple.r || triple.s)) continue;
    const written = pass !== "dx" || triple.inside, term = { ...triple, order: place(source, at(source, triple)) };
    if (written || view === "scatter") steps[place(lead, at(lead, triple))][written ? "terms" : "dropped"].push(term);
  }
  for (const step of steps) step.terms.sort((a, b) => a.order - b.order);

  // All places to stop at: after each step, or after each product of each step.
  function stops(byProduct) {
    return steps.flatMap(({ terms }, i) => (byProduct && terms.length ? terms.map((_, m) => ({ i, m })) : [{ i, m: terms.length - 1 }]));
  }

  // Where every cell of `out` stands at a stop: its value so far, whether anything has arrived, and whether it is finished.
  function standing({ i, m }) {
    const made = final.map(() => ({ begun: false, left: 0 }));
    steps.forEach((step, n) => step.terms.forEach((term, order) => {
      const cell = made[place(out, at(out, term))];
      if (n < i || n === i && order <= m) Object.assign(cell, { begun: true, order: term.order });
      else cell.left++;
    }));
    return made.map(({ begun, left, order }, o) => {
      const done = view === "gather" ? o < i || o === i && left === 0 : begun && left === 0;
      return { value: done ? final[o] : begun ? sums[order + 1][o] : sums[0][o], begun: begun || done, done };
    });
  }

  const soFar = (term) => sums[term.order + 1][place(out, at(out, term))];

  // One product in numbers, in pieces: "dx[2,1]", "+= dy[0,1] · w[2,0]", "= 0.5 × −2", "= −1".
  function formula(term) {
    const name = (array) => nameOf(array, at(array, term)), product = `= ${spoken(parts[term.order][place(out, at(out, term))])}`;
    if (!other) return [name(out), `+= ${name(source)}`, "", product];
    const second = term.inside || other === "w" ? values(other)[place(other, at(other, term))] : 0;
    return [name(out), `+= ${name(source)} · ${name(other)}`, `= ${spoken(values(source)[term.order])} × ${spoken(second)}`, product];
  }

  // What a step does, in a sentence; `value` is what its cell of `out` has come to, when it leads.
  function sentence({ cell, terms, dropped }, value) {
    const name = (array) => nameOf(array, cell), held = () => spoken(values(lead)[place(lead, cell)]), padded = terms.filter((term) => !term.inside).length;
    const products = many(terms.length, "product"), reached = many(terms.length, "cell");
    const padding = padded ? ` ${padded} of the products meet padding, which is 0.` : "";
    const lost = dropped.length ? ` ${many(dropped.length, "product")} would fall on the padding: dropped.` : "";
    return {
      "y gather": () => `${name("y")} looks at its window of x: ${products} and the bias make ${spoken(value)}.${padding}`,
      "y scatter": () => `${name("w")} = ${held()} multiplies a shifted copy of x, and adds it to ${reached} of y.${padding}`,
      "dx scatter": () => `${name("dy")} = ${held()} goes back along the weights that ${name("y")} was made with, to ${reached} of dx.${lost}`,
      "dx gather": () => (terms.length ? `${name("x")} was read by ${many(terms.length, "output")}, each through a weight of its own: `
        + `their dy, times that weight, make ${name("dx")} = ${spoken(value)}.` : `No output has read ${name("x")}: ${name("dx")} stays ${spoken(value)}.`),
      "dw scatter": () => `${name("dy")} = ${held()} multiplies the window of x that ${name("y")} has seen, and adds it to dw.${padding}`,
      "dw gather": () => `${name("w")} was used in ${products}, one for each output: dy, times the x it met there, makes ${name("dw")} = ${spoken(value)}.${padding}`,
      "db scatter": () => `${name("dy")} = ${held()} goes to ${nameOf("db", [cell[0]])} as it is: the bias was added to y, times 1.`,
      "db gather": () => `${name("db")} is the sum of the ${reached} of dy that ${name("b")} was added to: ${spoken(value)}.`,
    }[`${pass} ${view}`]();
  }

  // Where the cells of a step lie, in numbers: for rows and for columns, the rule and a line for each value of the index that runs.
  function places({ cell }) {
    if (pass === "db") return [];
    const fixed = Object.fromEntries(axes(lead).map((letter, axis) => [letter, cell[axis]]));
    const sides = [["row", "i", "r", height, setting.out[1], rows], ["col", "j", "s", width, setting.out[2], cols]];
    return sides.map(([where, i, r, length, outs, kernel]) => {
      if (where in fixed) return { rule: `${i} = (${where} + padding − ${r}·dilation) / stride`, runs: r, lines: Array.from({ length: kernel }, (_, n) => {
        const found = (fixed[where] + padding - n * dilation) / stride;
        const why = found % 1 ? "not whole: no dy" : found < 0 || found >= outs ? "no dy there" : "";
        return { n, text: `${r} = ${n}: (${fixed[where]} + ${padding} − ${n}·${dilation}) / ${stride} = ${spoken(found)}`, why };
      }) };
      const runs = i in fixed ? r : i;
      const lines = Array.from({ length: runs === r ? kernel : outs }, (_, n) => {
        const [a, b] = runs === r ? [fixed[i], n] : [n, fixed[r]], found = a * stride + b * dilation - padding;
        const text = `${runs} = ${n}: ${a}·${stride} + ${b}·${dilation} − ${padding} = ${spoken(found)}`;
        return { n, text, why: found < 0 || found >= length ? "padding" : "" };
      });
      return { rule: `${where} = ${i}·stride + ${r}·dilation − padding`, runs, lines };
    });
  }

  return { pass, view, lead, out, source, other, shape, values, place, at, nameOf, steps, stops, standing, soFar, formula, sentence, places, start: sums[0] };
}

const WHY = {
  "y gather": () => "Gathering, one output at a time: all that it needs. Scattering (the other view) makes the same products in another order.",
  "y scatter": () => "Scattering, one weight at a time: each adds a shifted, scaled copy of the image to the output. The products are the same as in the "
    + "other view, and so is the result.",
  "dx scatter": () => "What was read is now written to: the same window, the same weights, upright. Where windows overlap, a cell gets a product from "
    + "each, and they are added up.",
  "dx gather": ({ stride, dilation }) => "Why the kernel is flipped: read the tags on dy from the upper left. The output that lies furthest up and left "
    + "reached this cell with its last weight, the output furthest down and right with its first, so the weights come in backward order, along rows and "
    + "along columns. Gathered, dx is a convolution of dy with the kernel turned by 180°."
    + (stride > 1 ? ` With stride ${stride}, only some weights find a dy: as if ${many(stride - 1, "row")} of zeros lay between the rows of dy, and as many `
      + "columns between its columns." : "")
    + (dilation > 1 ? ` With dilation ${dilation}, the dy that count lie ${dilation} apart${stride > 1 ? ", before the stride divides" : ""}.` : ""),
  "dw scatter": () => "Each output votes: the window of x beneath it, times its dy. Where dy is large, dw comes to look like what lay in the window.",
  "dw gather": ({ stride, dilation }) => `A convolution too: of x with dy as its kernel. dy is laid on x with its cells ${stride} apart (the stride), and `
    + `shifted by ${dilation} (the dilation) from one cell of dw to the next.`,
  "db scatter": () => "Every output had the bias added once, so every dy counts once.",
  "db gather": () => "Every output had the bias added once, so every dy counts once.",
};

// Which cells carry a tag, and what it names: the cell that each meets, or comes from.
const TAGS = {
  "y gather": ["x", "w"], "y scatter": ["y", "x"], "dx scatter": ["dx", "w"], "dx gather": ["dy", "w"], "dw scatter": ["x", "dw"], "dw gather": ["x", "dy"],
};
