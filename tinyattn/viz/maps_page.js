// Numbers first: what follows until `start` knows nothing of the page and can be run anywhere.

// Bytes of a base64 text.
function bytes(text) {
  const raw = atob(text);
  return Uint8Array.from(raw, (letter) => letter.charCodeAt(0));
}

// Little-endian float32 numbers of a base64 text.
function floats(text) {
  const view = new DataView(bytes(text).buffer);
  return Float32Array.from({ length: view.byteLength / 4 }, (_, i) => view.getFloat32(4 * i, true));
}

// Line `line` of a layer's numbers for an image: values were stored as bytes between the line's least and largest.
function valuesOf(layer, image, line) {
  const stored = bytesOf(layer, image), ends = endsOf(layer, image), length = layer.length;
  const low = ends[2 * line], high = ends[2 * line + 1];
  return Float32Array.from(stored.subarray(line * length, (line + 1) * length), (value) => low + (high - low) * value / 255);
}

function bytesOf(layer, image) {
  layer.bytes ??= [];
  return layer.bytes[image] ??= bytes(layer.data[image]);
}

function endsOf(layer, image) {
  layer.floats ??= [];
  return layer.floats[image] ??= floats(layer.ends[image]);
}

// Which line belongs to a place, or a query, that asks. Attention has a line for each head and each that asks, all else has one.
function lineOf(layer, head, place, query) {
  return layer.form === "rows" ? head * layer.tokens + layer.extra + place : layer.form === "queries" ? head * layer.tokens + query : 0;
}

// What is shown for a place and a query: the values over the grid, of one head, or (head -1) their mean. Of a sampling grid, its x.
function shown(layer, image, head, place, query) {
  if (layer.form === "grid") return lookedUp(layer, image)[0];
  if (!layer.heads) return valuesOf(layer, image, 0);
  const heads = head < 0 ? Array.from({ length: layer.heads }, (_, i) => i) : [head];
  const sum = new Float32Array(layer.length - layer.extra);
  for (const h of heads) valuesOf(layer, image, lineOf(layer, h, place, query)).subarray(layer.extra).forEach((value, i) => { sum[i] += value / heads.length; });
  return sum;
}

// The colours run from 0, or the least value, to the largest.
function span(layer, values) {
  let low = layer.heads ? 0 : Infinity, high = -Infinity;
  for (const value of values) { low = Math.min(low, value); high = Math.max(high, value); }
  return [low, high];
}

// Where a key leads from `place` on a grid of h × w; null for a key that leads nowhere.
function move(key, place, h, w) {
  const row = Math.floor(place / w), column = place % w;
  const steps = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0], Home: [0, -column], End: [0, w - 1 - column] };
  if (!(key in steps)) return null;
  const [down, right] = steps[key];
  return Math.min(h - 1, Math.max(0, row + down)) * w + Math.min(w - 1, Math.max(0, column + right));
}

// The grid a layer is walked on: its places, or its bars in one line.
function gridOf(layer) {
  return layer.form === "bars" ? [1, layer.length] : layer.grid;
}

// Where a sampling grid looked for each place of its result: [x, y] of all of them, each from -1 to 1 over the image.
function lookedUp(layer, image) {
  layer.nets ??= [];
  const all = layer.nets[image] ??= floats(layer.net[image]);
  return [all.subarray(0, all.length / 2), all.subarray(all.length / 2)];
}

// The place of a grid that looked nearest to (x, y).
function nearest(xs, ys, x, y) {
  let best = 0, least = Infinity;
  for (let i = 0; i < xs.length; i++) {
    const far = (xs[i] - x) ** 2 + (ys[i] - y) ** 2;
    if (far < least) { least = far; best = i; }
  }
  return best;
}

// What the grid sees of an image of bytes r, g, b, a (height × width of them): between its pixels, and black outside.
function sampled(bytes, height, width, xs, ys) {
  const found = new Uint8ClampedArray(4 * xs.length);
  for (let i = 0; i < xs.length; i++) {
    const x = ((xs[i] + 1) * width - 1) / 2, y = ((ys[i] + 1) * height - 1) / 2, left = Math.floor(x), top = Math.floor(y);
    const sum = [0, 0, 0];
    for (const [row, column] of [[top, left], [top, left + 1], [top + 1, left], [top + 1, left + 1]]) {
      if (row < 0 || row >= height || column < 0 || column >= width) continue;
      const weight = (1 - Math.abs(y - row)) * (1 - Math.abs(x - column));
      for (let k = 0; k < 3; k++) sum[k] += weight * bytes[4 * (row * width + column) + k];
    }
    found.set([...sum.map(Math.round), 255], 4 * i);
  }
  return found;
}

// What is said of a place, in words; of a query's map, or a grid's (values: its x and y) too.
function words(layer, values, place, query, size) {
  const [h, w] = gridOf(layer);
  if (layer.form === "bars") return `${layer.names ? layer.names[place] : `channel ${place}`}: ${number(values[place])}`;
  const where = (i) => (h === 1 ? `column ${i % w + 1}` : w === 1 ? `row ${i + 1}` : `row ${Math.floor(i / w) + 1}, column ${i % w + 1}`);
  if (layer.form === "grid") {
    const [x, y] = [values[0][place], values[1][place]], outside = Math.abs(x) > 1 || Math.abs(y) > 1;
    const pixel = (at, length) => ((at + 1) * length / 2 - 0.5).toFixed(1);
    return `What stands in ${where(place)} of the result was looked up ${pixel(y, size[0])} pixels down and ${pixel(x, size[1])} across${outside ? ", outside of the image" : ""}.`;
  }
  if (layer.form === "places") return `${where(place)}: ${number(values[place])}`;
  const order = Array.from(values.keys()).sort((a, b) => values[b] - values[a]).slice(0, 3);
  const weight = (value) => (layer.shares ? `${number(100 * value)} %` : number(value));
  const most = order.map((i) => `${where(i)} (${weight(values[i])})`).join("; ");
  if (layer.form === "queries") return `${layer.tokens > 1 ? `Query ${query}` : "The query"} looks most at ${most}. At ${where(place)}: ${weight(values[place])}.`;
  return `The place in ${where(place)} looks most at ${most}. At itself: ${weight(values[place])}.`;
}

// The colour of a level 0 … 1 between the stops of the scale, as [r, g, b].
function colour(stops, level) {
  const at = Math.min(1, Math.max(0, level)) * (stops.length - 1), i = Math.min(stops.length - 2, Math.floor(at)), t = at - i;
  return stops[i].map((value, k) => Math.round(value + (stops[i + 1][k] - value) * t));
}

const MARGIN = 1.5;  // the half side of what is shown of an image under a sampling grid, of which the image's is 1
const LINES = 8;     // of such a grid that are drawn, in each direction

// The page itself: one state, drawn anew after every change.
function start(document) {
  const find = (id) => document.getElementById(id);
  const data = JSON.parse(find("data").textContent);
  const state = { image: 0, layer: 0, head: -1, query: 0, place: 0 };
  const pictures = data.images.map((image) => { const made = document.createElement("img"); made.onload = draw; made.src = image.uri; return made; });
  const option = (select, value, text) => { const made = document.createElement("option"); made.value = value; made.textContent = text; select.append(made); };

  data.images.forEach((image, i) => {
    const label = document.createElement("label"), input = document.createElement("input"), picture = document.createElement("img");
    Object.assign(input, { type: "radio", name: "image", value: i, checked: i === 0 });
    Object.assign(picture, { src: image.uri, alt: image.name });
    input.addEventListener("change", () => { state.image = i; draw(); });
    label.append(input, picture, data.classes[image.top[0][0]]);
    find("images").append(label);
  });
  data.layers.forEach((layer, i) => option(find("layer"), i, layer.title));
  find("layer").addEventListener("change", (event) => { state.layer = Number(event.target.value); choose(); });
  find("query").addEventListener("change", (event) => { state.query = Number(event.target.value); draw(); });
  find("head").addEventListener("change", (event) => { state.head = Number(event.target.value); draw(); });

  // A new layer: its heads, and a place that it has; the same place of the image where it can be.
  let before = null;
  function choose() {
    const layer = data.layers[state.layer], select = find("head"), [h, w] = gridOf(layer);
    select.replaceChildren();
    option(select, -1, "mean of all");
    for (let i = 0; i < (layer.heads ?? 0); i++) option(select, i, String(i));
    state.head = -1;
    find("head-label").hidden = !(layer.heads > 1);
    const queries = layer.form === "queries" ? layer.tokens : 0;
    find("query").replaceChildren();
    for (let i = 0; i < queries; i++) option(find("query"), i, String(i));
    state.query = Math.min(state.query, Math.max(0, queries - 1));
    find("query").value = String(state.query);
    find("query-label").hidden = queries < 2;
    const y = before ? (Math.floor(state.place / before[1]) + 0.5) / before[0] : 0.5, x = before ? (state.place % before[1] + 0.5) / before[1] : 0.5;
    state.place = Math.min(h - 1, Math.floor(y * h)) * w + Math.min(w - 1, Math.floor(x * w));
    before = [h, w];
    draw();
  }

  function draw() {
    const layer = data.layers[state.layer], image = data.images[state.image], values = shown(layer, state.image, state.head, state.place, state.query);
    const [low, high] = span(layer, values), net = layer.form === "grid" ? lookedUp(layer, state.image) : null;
    find("words").textContent = layer.words;
    find("said").textContent = words(layer, net ?? values, state.place, state.query, data.size);
    find("low").textContent = number(low);
    find("high").textContent = number(high);
    find("scale").hidden = layer.form === "bars" || net !== null;
    find("picture").setAttribute("aria-label", `${image.name}, taken for ${data.classes[image.top[0][0]]}`);
    find("picture-caption").textContent = layer.form === "rows" ? "the place that asks" : net ? "where it looks" : image.name;
    find("map").setAttribute("aria-label", net ? `what ${layer.title} sees` : `map of ${layer.title}, from ${number(low)} to ${number(high)}`);
    find("map-caption").textContent = { rows: "what it looks at", queries: "what the query looks at", bars: "the gates, from the first to the last", grid: "what it sees" }[layer.form] ?? "the map";
    answers(image);
    if (net) return paintNet(find("picture"), find("map"), ...net);
    paint(find("picture"), null);
    layer.form === "bars" ? bars(find("map"), values, Math.min(0, low), Math.max(1, high)) : paint(find("map"), values, low, high);
  }

  // The image; over it, where there are values, their colours; a frame around the place.
  function paint(canvas, values, low, high) {
    const layer = data.layers[state.layer], context = canvas.getContext("2d"), [h, w] = gridOf(layer), picture = pictures[state.image];
    canvas.height = Math.round(canvas.width * data.size[0] / data.size[1]);
    context.imageSmoothingEnabled = false;
    context.filter = values ? "grayscale(1) brightness(0.8)" : "none";
    if (picture.complete && picture.naturalWidth) context.drawImage(picture, 0, 0, canvas.width, canvas.height);
    context.filter = "none";
    const width = canvas.width / w, height = canvas.height / h;
    if (values) for (let i = 0; i < h * w; i++) {
      const level = high > low ? (values[i] - low) / (high - low) : 0;
      context.fillStyle = `rgba(${colour(data.heat, level)}, ${0.25 + 0.45 * level})`;
      const x = i % w, y = Math.floor(i / w), left = Math.round(x * width), top = Math.round(y * height);  // whole pixels: no seams
      context.fillRect(left, top, Math.round((x + 1) * width) - left, Math.round((y + 1) * height) - top);
    }
    if (layer.form !== "bars") frame(context, state.place % w * width, Math.floor(state.place / w) * height, width, height);
  }

  function frame(context, left, top, width, height) {
    for (const [stroke, line] of [["#ffffff", 7], ["#2f6fdb", 3.5]]) {
      context.strokeStyle = stroke;
      context.lineWidth = line;
      context.strokeRect(left, top, width, height);
    }
  }

  // A sampling grid: its outline and some of its lines on the image, which has a margin for what lies outside; beside it, what it sees.
  function paintNet(left, right, xs, ys) {
    const [h, w] = gridOf(data.layers[state.layer]), [H, W] = data.size, picture = pictures[state.image], context = left.getContext("2d");
    left.height = Math.round(left.width * H / W);
    right.height = Math.round(right.width * h / w);
    context.imageSmoothingEnabled = false;
    const across = (x) => (x / MARGIN + 1) / 2 * left.width, down = (y) => (y / MARGIN + 1) / 2 * left.height;
    if (picture.complete && picture.naturalWidth) {
      context.drawImage(picture, across(-1), down(-1), left.width / MARGIN, left.height / MARGIN);
      const small = document.createElement("canvas"), seen = document.createElement("canvas"), result = right.getContext("2d");
      Object.assign(small, { width: W, height: H });
      Object.assign(seen, { width: w, height: h });
      small.getContext("2d").drawImage(picture, 0, 0);
      const pixels = small.getContext("2d").getImageData(0, 0, W, H).data;
      seen.getContext("2d").putImageData(new ImageData(sampled(pixels, H, W, xs, ys), w, h), 0, 0);
      result.imageSmoothingEnabled = false;
      result.drawImage(seen, 0, 0, right.width, right.height);
    }
    const line = (places, stroke, width) => {
      context.strokeStyle = stroke;
      context.lineWidth = width;
      context.beginPath();
      places.forEach((i, n) => context[n ? "lineTo" : "moveTo"](across(xs[i]), down(ys[i])));
      context.stroke();
    };
    const row = (i) => Array.from({ length: w }, (_, j) => i * w + j), column = (j) => Array.from({ length: h }, (_, i) => i * w + j);
    const some = (n) => [...new Set(Array.from({ length: Math.min(n, LINES) }, (_, i) => Math.round(i * (n - 1) / Math.max(1, Math.min(n, LINES) - 1))))];
    for (const places of [...some(h).map(row), ...some(w).map(column)]) line(places, "rgba(255, 255, 255, 0.5)", 1.5);
    const edges = [row(0), column(w - 1), row(h - 1), column(0)];
    for (const places of edges) line(places, "#ffffff", 6);
    for (const places of edges) line(places, "#e8793a", 3);
    line(edges[0], "#e8793a", 7);                                                     // its upper edge: which way is up?
    frame(context, across(xs[state.place]) - 7, down(ys[state.place]) - 7, 14, 14);
    frame(right.getContext("2d"), state.place % w * right.width / w, Math.floor(state.place / w) * right.height / h, right.width / w, right.height / h);
  }

  function bars(canvas, values, low, high) {
    const context = canvas.getContext("2d"), width = canvas.width / values.length, css = getComputedStyle(document.documentElement);
    canvas.height = canvas.width;
    const y = (value) => canvas.height * (high - value) / (high - low);
    values.forEach((value, i) => {
      context.fillStyle = i === state.place ? "#e8793a" : css.getPropertyValue("--blue");
      context.fillRect(i * width, Math.min(y(value), y(0)), Math.max(1, width - (width > 4 ? 1 : 0)), Math.max(2, Math.abs(y(0) - y(value))));
    });
    context.strokeStyle = css.getPropertyValue("--soft");
    context.setLineDash([6, 6]);
    context.beginPath();
    context.moveTo(0, y(low < 0 ? 0 : 0.5));
    context.lineTo(canvas.width, y(low < 0 ? 0 : 0.5));
    context.stroke();
    context.setLineDash([]);
  }

  function answers(image) {
    find("answers").replaceChildren(...image.top.map(([index, p], i) => {
      const line = document.createElement("li"), meter = document.createElement("meter"), name = document.createElement("span");
      Object.assign(meter, { min: 0, max: 1, value: p });
      meter.setAttribute("aria-hidden", "true");
      const truth = image.label === null ? "" : index === image.label ? " (true)" : i === 0 ? ` (wrong: it is ${data.classes[image.label]})` : "";
      name.textContent = `${data.classes[index]} ${(100 * p).toFixed(1)} %${truth}`;
      name.className = image.label === null ? "" : index === image.label ? "right" : i === 0 ? "wrong" : "";
      line.append(meter, name);
      return line;
    }));
  }

  // Pointing, tapping, walking.
  for (const id of ["picture", "map"]) find(id).addEventListener("pointermove", point);
  for (const id of ["picture", "map"]) find(id).addEventListener("pointerdown", point);
  function point(event) {
    const layer = data.layers[state.layer], box = event.currentTarget.getBoundingClientRect(), [h, w] = gridOf(layer);
    if (layer.form === "bars" && event.currentTarget.id === "picture") return;
    const inside = (share, count) => Math.min(count - 1, Math.max(0, Math.floor(share * count)));
    const down = (event.clientY - box.top) / box.height, across = (event.clientX - box.left) / box.width;
    const place = layer.form === "grid" && event.currentTarget.id === "picture"
      ? nearest(...lookedUp(layer, state.image), MARGIN * (2 * across - 1), MARGIN * (2 * down - 1))
      : inside(down, h) * w + inside(across, w);
    if (place !== state.place) { state.place = place; draw(); }
  }
  find("stage").addEventListener("keydown", (event) => {
    const place = event.ctrlKey || event.altKey || event.metaKey ? null : move(event.key, state.place, ...gridOf(data.layers[state.layer]));
    if (place === null) return;
    event.preventDefault();
    state.place = place;
    draw();
  });

  const ramp = find("ramp").getContext("2d");
  for (let i = 0; i < 256; i++) { ramp.fillStyle = `rgb(${colour(data.heat, i / 255)})`; ramp.fillRect(i, 0, 1, 12); }
  choose();
}

if (typeof document !== "undefined") start(document);
else if (typeof module !== "undefined") module.exports = { bytes, floats, valuesOf, lineOf, shown, span, number, move, gridOf, words, colour, lookedUp, nearest, sampled };
