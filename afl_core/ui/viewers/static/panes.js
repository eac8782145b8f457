// The panes, the strip below them and the words around them: all that is drawn for a Viewer (viewer.js).

const EDGES = ["left", "right", "top", "bottom"];

// Two decimals, and three figures where these show nothing.
function millilitres(ml) {
  return `${ml && ml < 0.1 ? ml.toPrecision(2) : ml.toFixed(ml < 10 ? 2 : 1)} ml`;
}

// Strings become text nodes, so a name is never read as HTML.
function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

// One pane a mask; behind them, in the mode "agreement", the comparison of two sources; then the maps.
function buildPanes(viewer) {
  const { header, agreement } = viewer;
  const shown = header.masks.length ? [...header.masks] : [{ name: "Image" }];
  if (agreement) shown.push({ name: `${agreement[0].name} against ${agreement[1].name}`, pair: agreement });
  if (viewer.beside === "together") shown.push({ name: "All outlines", together: true });
  shown.push(...header.maps.map((map, index) => ({ ...map, map: index })));
  viewer.panes = shown.map((shows) => {
    const canvas = el("canvas", { "data-pane": shows.name, role: "img" });
    const letters = EDGES.map((edge) => el("span", { class: `letter ${edge}`, "data-edge": edge }));
    const swatch = el("i", { class: "swatch" });
    swatch.style.background = shows.colour ?? "transparent";
    const { volume_ml: ml } = shows;
    const volume = ml === undefined ? "" : millilitres(ml);
    const title = el("header", {}, swatch, el("b", { title: shows.name }, shows.name), el("span", {}, volume));
    const frame = el("div", { class: "pane" }, title, el("div", { class: "picture" }, canvas, ...letters));
    return { shows, canvas, letters, frame, ctx: canvas.getContext("2d", { alpha: false }), patterns: new Map() };
  });
  viewer.grid.replaceChildren(...viewer.panes.map((pane) => pane.frame));
}

// What a pane shows over the image: {name, test, colour, and how}.
function layers(viewer, { bit, colour, pair, map, together }) {
  const { ui, reference, header } = viewer;
  const fill = ui.style === "fill";
  const rim = { name: "mask0", test: (c) => c & 1, colour: reference?.colour, width: 1.2, dash: [3, 2] };
  if (!ui.masks) return [];
  if (map !== undefined) return reference && ui.rim ? [rim] : [];
  if (together) return outlineKinds(viewer);
  if (pair) return agreementKinds(viewer).map((kind) => ({ ...kind, fill, width: 1.6 }));
  if (bit === undefined) return [];
  const has = (code) => (code >> bit) & 1;
  if (viewer.errors && bit > 0) {
    const { TP, FP, FN } = header.errors;
    return [
      { name: `tp${bit}`, test: (c) => has(c) && c & 1, colour: TP, fill, width: 1.4 },
      { name: `fp${bit}`, test: (c) => has(c) && !(c & 1), colour: FP, fill, hatch: "/", width: 1.6, dash: [5, 3] },
      { name: `fn${bit}`, test: (c) => !has(c) && c & 1, colour: FN, fill, hatch: "\\", width: 1.6 },
    ];
  }
  const own = { name: `mask${bit}`, test: has, colour, fill, width: 1.8 };
  return bit > 0 && reference && ui.rim ? [own, rim] : [own];
}

// Every mask as a line of its own.
function outlineKinds({ header }) {
  const dashes = [[], [7, 3], [2, 2], [7, 2, 2, 2]];
  const line = ({ bit, name, colour }) => ({ text: name, colour, dash: dashes[bit], width: 1.8, fill: false });
  return header.masks.map((mask) => ({ ...line(mask), name: `mask${mask.bit}`, test: (code) => (code >> mask.bit) & 1 }));
}

// Where two sources are right, alone or together. Voxels outside of both and of the reference need no colour.
function agreementKinds(viewer) {
  const [a, b] = viewer.agreement;
  const { both, neither } = viewer.header.agreement;
  const inside = 1 | (1 << a.bit) | (1 << b.bit);
  const right = ({ bit }, code) => ((code >> bit) & 1) === (code & 1);
  const kind = (name, ofA, ofB, look) => {
    const holds = (code) => code & inside && right(a, code) === ofA && right(b, code) === ofB;
    return { name: `${name} ${a.bit}${b.bit}`, test: holds, ...look };
  };
  return [
    kind("both", true, true, { text: "both right", colour: both }),
    kind("first", true, false, { text: `only ${a.name} right`, colour: a.colour, hatch: "/", dash: [7, 3] }),
    kind("second", false, true, { text: `only ${b.name} right`, colour: b.colour, hatch: "\\", dash: [2, 2] }),
    kind("neither", false, false, { text: "neither right", colour: neither, hatch: "x", dash: [7, 2, 2, 2] }),
  ];
}

function drawPane(viewer, pane) {
  const { canvas, ctx, patterns, shows } = pane;
  const { plane: { h, v }, place: { cross }, ratio, ui } = viewer;
  const matrix = viewer.matrix(canvas);
  ctx.resetTransform();
  ctx.fillStyle = "#000";
  ctx.fillRect(0, 0, canvas.width, canvas.height);
  ctx.setTransform(matrix);
  ctx.imageSmoothingEnabled = ui.smooth;
  ctx.drawImage(viewer.slice, 0, 0);
  if (shows.map !== undefined && ui.masks) {
    ctx.imageSmoothingEnabled = false; // a value belongs to its voxel
    ctx.globalAlpha = Math.min(1, 2 * ui.opacity);
    ctx.drawImage(viewer.mapSlices[shows.map], 0, 0);
    ctx.globalAlpha = 1;
  }
  ctx.resetTransform();
  for (const layer of layers(viewer, shows)) {
    const path = new Path2D();
    path.addPath(outline(viewer, layer), matrix); // so that lines keep their width at any zoom and spacing
    const { hatch: kind, colour } = layer;
    const pattern = kind && remember(patterns, colour + kind, () => hatch(ctx, colour, kind, ratio));
    drawRegion(ctx, path, { ...layer, pattern }, ui.opacity, ratio);
  }
  const [x, y] = [matrix.a * (cross[h] + 0.5) + matrix.e, matrix.d * (cross[v] + 0.5) + matrix.f];
  if (ui.cross) drawCross(ctx, Math.round(x) + 0.5, Math.round(y) + 0.5, ratio);
  labelPane(viewer, pane);
}

function outline({ plane: { h, v }, header: { shape }, paths, codes }, { name, test: holds }) {
  return remember(paths, name, () => trace(codes, shape[h], shape[v], test(holds)));
}

function labelPane({ plane: { h, v, n }, flipped, ui, place }, { canvas, letters, shows }) {
  const [left, right] = flipped ? [1, 0] : [0, 1];
  const texts = [LETTERS[h][left], LETTERS[h][right], LETTERS[v][1], LETTERS[v][0]];
  letters.forEach((letter, i) => (letter.textContent = texts[i]));
  canvas.setAttribute("aria-label", `${shows.name}, ${ui.axis} slice ${place.cross[n]}, ${texts[0]} on the left`);
}

// ---- the strip

// Its rows: the reference, each source's wrong voxels (all its voxels, if there is no reference), and where the sources
// differ from each other.
function buildLanes({ sources, reference }) {
  const lanes = sources.map(({ bit, name, colour }) => {
    const has = (code) => (code >> bit) & 1;
    const wrong = { label: `${name} errors`, test: test((code) => has(code) !== (code & 1)) };
    return { source: true, colour, ...(reference ? wrong : { label: name, test: test(has) }) };
  });
  const all = sources.reduce((bits, { bit }) => bits | (1 << bit), 0);
  const differ = { label: "Disagreement", source: true, test: test((code) => code & all && (code & all) !== all) };
  const own = { label: "Reference", colour: reference?.colour, test: test((code) => code & 1) };
  return [...(reference ? [own] : []), ...lanes, ...(sources.length > 1 ? [differ] : [])];
}

// The bars are redrawn only when they change; the marker moves with every slice.
function drawStrip(viewer) {
  const { plane: { n }, ratio, root: { clientWidth: width }, strip, lanes, header, place, ui } = viewer;
  const [length, mark, height] = [header.shape[n], place.cross[n], 16];
  const gutter = Math.min(150, width * 0.25);
  const step = (width - gutter - 18) / length;
  viewer.stripScale = { gutter, step };
  viewer.marker.style.transform = `translateX(${gutter + mark * step - 1}px)`;
  viewer.marker.style.width = `${Math.max(step + 1, 4)}px`;
  const value = `${ui.axis} slice ${mark} of 0 to ${length - 1}`;
  const aria = { label: `${ui.axis} slice`, valuemax: length - 1, valuenow: mark, valuetext: value };
  for (const [name, text] of Object.entries(aria)) viewer.track.setAttribute(`aria-${name}`, text);
  const key = JSON.stringify([viewer.digest, ui.axis, width, ratio]);
  if (key === viewer.stripKey) return;
  viewer.stripKey = key;
  const total = Math.max(lanes.length, 1) * height + 4;
  strip.style.height = `${total}px`;
  Object.assign(strip, { width: Math.round(width * ratio), height: Math.round(total * ratio) });
  const style = getComputedStyle(viewer.root);
  const ctx = strip.getContext("2d");
  ctx.scale(ratio, ratio);
  Object.assign(ctx, { fillStyle: style.color, font: `11px ${style.fontFamily}`, textBaseline: "middle" });
  const counts = viewer.counts[n];
  lanes.forEach((lane, i) => {
    // One scale for all sources: their bars are there to be compared.
    const peers = counts.filter((_, j) => lanes[j].source === lane.source);
    const most = Math.max(1, ...peers.map((bars) => Math.max(...bars)));
    drawLane(ctx, { colour: style.color, ...lane }, counts[i], { most, top: 2 + i * height, height, gutter, step });
  });
  ctx.font = `600 ${ctx.font}`;
  ctx.fillText(LETTERS[n][0], gutter - 13, total / 2 + 1);
  ctx.fillText(LETTERS[n][1], gutter + step * length + 6, total / 2 + 1);
}

// ---- menus, legend, read-out

function fillMenus(viewer) {
  const { header: { presets }, findings, reference, sources, finding, preset, pair } = viewer;
  const option = (value, text) => el("option", { value }, text);
  const named = { lesion: reference ? "Lesion" : "Component", false_positive: "False positive", disagreement: "Disagreement" };
  const groups = Object.entries(named).map(([kind, word]) => {
    const spots = findings.filter((spot) => spot.kind === kind);
    const text = (spot, i) => `${word} ${i + 1}/${spots.length} · ${millilitres(spot.volume_ml)}${remark(viewer, spot)}`;
    return el("optgroup", { label: `${word}s` }, ...spots.map((spot, i) => option(findings.indexOf(spot), text(spot, i))));
  });
  const none = option(-1, findings.length ? "Go to …" : "Nothing to go to");
  finding.replaceChildren(none, ...groups.filter((group) => group.children.length));
  preset.replaceChildren(option(-1, "Custom"), ...presets.map(({ name }, i) => option(i, name)));
  preset.options[0].hidden = true;
  preset.hidden = !presets.length; // an image without contrast has no window
  pair.replaceChildren(...viewer.pairs.map(([a, b], i) => option(i, `${a.name} against ${b.name}`)));
  const needs = {
    errors: [viewer.comparable, "a reference and a source"],
    agreement: [viewer.pairs.length > 0, "a reference and two sources"],
    together: [viewer.header.masks.length > 1, "two masks"],
  };
  for (const [mode, [there, what]] of Object.entries(needs)) {
    const knob = viewer.root.querySelector(`[data-value="${mode}"]`);
    knob.disabled = !there;
    knob.dataset.title ??= knob.title;
    knob.title = there ? knob.dataset.title : `Needs ${what}`;
  }
  for (const kind of ["lesion", "disagreement"]) {
    const none = !findings.some((spot) => spot.kind === kind);
    for (const knob of viewer.root.querySelectorAll(`[data-step="${kind}"]`)) knob.disabled = none;
  }
}

// What a menu says of a place beside its size.
function remark({ sources }, { missed_by: names = [], bit, right }) {
  if (names.length) return ` · missed by ${names.join(", ")}`;
  if (bit) return ` · ${sources.find((source) => source.bit === bit).name}`;
  return right ? ` · ${sources.map(({ name }, i) => `${name} ${Math.round(100 * right[i])}`).join(", ")} % right` : "";
}

function syncControls(viewer) {
  const { ui, place, header, root, opacity, finding, preset } = viewer;
  for (const knob of root.querySelectorAll("[data-set], [data-flip]")) {
    const { set, value, flip } = knob.dataset;
    knob.setAttribute("aria-pressed", String(set ? ui[set] === value : ui[flip]));
  }
  opacity.value = ui.opacity;
  opacity.disabled = ui.style === "outline" && !header.maps.length;
  viewer.pair.hidden = !viewer.agreement || viewer.pairs.length < 2;
  viewer.pair.value = ui.pair;
  finding.value = viewer.findingAt(place.cross);
  finding.title = finding.selectedOptions[0]?.textContent ?? "";
  const [low, high] = [viewer.intensity(place.low), viewer.intensity(place.high)];
  const close = (a, b) => Math.abs(a - b) < (header.window[1] - header.window[0]) * 1e-6;
  preset.value = header.presets.findIndex((p) => close(p.low, low) && close(p.high, high));
  const legend = JSON.stringify([viewer.errors, viewer.beside, header.maps]);
  if (legend !== viewer.legendKey) buildLegend(viewer);
  viewer.legendKey = legend;
}

function buildLegend(viewer) {
  const { TP, FP, FN } = viewer.header.errors;
  const errors = [
    { text: "right (TP)", colour: TP },
    { text: "too much (FP)", colour: FP, hatch: "/", dash: [5, 3] },
    { text: "missed (FN)", colour: FN, hatch: "\\" },
  ];
  const compared = viewer.agreement ? agreementKinds(viewer) : viewer.beside ? outlineKinds(viewer) : [];
  const kinds = viewer.errors ? errors : compared;
  const maps = new Map(viewer.header.maps.map((map) => [JSON.stringify([map.label, map.limits, map.colours]), map]));
  viewer.legend.replaceChildren(...kinds.map(swatch), ...[...maps.values()].map(scale));
}

// A patch that looks as the region does in the panes.
function swatch(kind) {
  const ratio = window.devicePixelRatio || 1;
  const key = el("canvas", { class: "key", width: Math.round(30 * ratio), height: Math.round(14 * ratio) });
  const ctx = key.getContext("2d");
  const path = new Path2D();
  path.rect(ratio, ratio, key.width - 2 * ratio, key.height - 2 * ratio);
  const pattern = kind.hatch && hatch(ctx, kind.colour, kind.hatch, ratio);
  drawRegion(ctx, path, { fill: true, ...kind, pattern, width: 1.6 }, 0.4, ratio);
  return el("span", {}, key, kind.text);
}

function scale({ label, limits, colours }) {
  const bar = el("i", { class: "scale" });
  bar.style.background = `linear-gradient(to right, ${colours.join(", ")})`;
  const [low, high] = limits.map((limit) => limit.toPrecision(3));
  return el("span", {}, `${label}: ${low}`, bar, high);
}

// The voxel under the pointer, else the crosshair's.
function writeReadout(viewer) {
  const { header, place, hover, plane: { n }, ui: { axis } } = viewer;
  // The wheel changes the slice under a resting pointer.
  const voxel = (hover?.voxel ?? place.cross).map((index, a) => (a === n ? place.cross[n] : index));
  const [x, y, z] = voxel;
  const at = x + header.shape[0] * (y + header.shape[1] * z);
  const bound = (byte) => ({ 0: "≤ ", 255: "≥ " })[byte] ?? ""; // the bytes end at the window
  const digits = Math.max(0, 3 - Math.ceil(Math.log10(header.window[1] - header.window[0])));
  const shown = (level) => viewer.intensity(level).toFixed(digits);
  const inside = header.masks.filter((mask) => (viewer.masks[at] >> mask.bit) & 1).map((mask) => mask.name);
  const values = header.maps.map(({ name, limits: [low, high] }, i) => {
    const byte = viewer.maps[i][at];
    const level = { 0: 0.5, 255: 254.5 }[byte] ?? byte; // where the first and the last byte begin
    return `${name} ${bound(byte)}${(low + (level / 255) * (high - low)).toPrecision(3)}`;
  });
  const pictured = [
    `${header.sequence || "intensity"} ${shown(viewer.levels[viewer.image[at]])}`,
    `window ${shown(place.low)} to ${shown(place.high)}`,
  ];
  const fields = [
    `${axis[0].toUpperCase()}${axis.slice(1)} ${place.cross[n]} of 0–${header.shape[n] - 1}`,
    hover ? hover.pane : "Crosshair",
    `voxel ${voxel.join(", ")} (RAS order)`,
    `RAS ${viewer.toMm(voxel).map((mm) => mm.toFixed(1)).join(", ")} mm`,
    ...(header.presets.length ? pictured : []),
    ...values,
    inside.length ? `in ${inside.join(", ")}` : "in no mask",
  ];
  if (header.oblique_deg >= 1) fields.push(`oblique by ${header.oblique_deg}°: letters name the nearest axes`);
  viewer.readout.replaceChildren(...fields.map((field) => el("span", {}, field)));
}
