// Linked slice viewer on Canvas 2D: no dependency, no build step, no network. Its Python side, afl_core/ui/viewer.py,
// describes the bytes it receives. viewer.html holds the fixed elements, slices.js the work on voxels and canvases,
// input.js mouse and keys; the three scripts are read as one module. Here: the Viewer (data, actions, drawing,
// read-out), and last the function that Streamlit calls.

const DEFAULTS = {
  axis: "axial", mode: "masks", style: "fill", opacity: 0.4,
  masks: true, rim: true, cross: true, smooth: true, radiological: true,
};
const MIN_PANE = 190; // CSS pixels; below this the panes wrap
const MAX_HEIGHT = 580; // of all rows of panes together: the strip below must stay in sight
const GAP = 6;

// Kept by this module, so that a rerun, a remount or a visit to another page changes nothing the reader set.
const settings = new Map(); // viewer key -> switches
const places = new Map(); // viewer key and case -> crosshair, zoom, window
const viewers = new WeakMap(); // mount point -> Viewer

// Strings become text nodes, so a name is never read as HTML.
function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

class Viewer {
  constructor(host) {
    const find = (selector) => host.querySelector(selector);
    this.root = find(".afl-viewer");
    this.grid = find(".panes");
    this.track = find(".strip");
    this.strip = find(".strip canvas");
    this.marker = find(".marker");
    this.readout = find(".readout");
    this.legend = find(".legend");
    this.help = find(".help");
    this.finding = find(".finding");
    this.preset = find(".preset");
    this.opacity = find(".opacity");
    this.panes = [];
    this.paths = new Map(); // outlines of the shown slice
    this.pointers = new Map();
    this.wheel = 0;
    this.turn = 0;
    this.slice = new OffscreenCanvas(1, 1);
    listenToControls(this);
    listenToPanes(this);
    listenToStrip(this);
    this.observer = new ResizeObserver(() => this.layout());
    this.observer.observe(this.root);
  }

  destroy() {
    this.observer.disconnect();
    cancelAnimationFrame(this.frame);
    clearTimeout(this.timer);
  }

  // ---- data

  receive(bytes) {
    const { options, header, parts } = unpack(bytes);
    this.options = options;
    this.ui = remember(settings, options.key, () => ({ ...DEFAULTS }));
    const digest = JSON.stringify(header);
    if (digest === this.digest) {
      this.follow();
      this.layout(); // a rerun may come with another theme
    } else {
      this.digest = digest;
      this.load(header, parts);
    }
  }

  async load(header, parts) {
    this.root.dataset.ready = "false";
    try {
      const digest = this.digest;
      const [image, masks] = await Promise.all(parts.map((part, i) => voxels(header.parts[i].digest, part)));
      if (digest !== this.digest) return; // another case was chosen meanwhile
      this.adopt(header, image, masks);
    } catch (error) {
      this.readout.replaceChildren(`This case cannot be shown: ${error.message}. Reload the page.`);
      this.root.dataset.ready = "error";
    }
  }

  adopt(header, image, masks) {
    Object.assign(this, { header, image, masks, hover: null });
    const id = JSON.stringify([this.options.key, header.case]);
    const [shape, picture] = [String(header.shape), header.parts[0].digest];
    if (places.get(id)?.shape !== shape) places.delete(id);
    this.place = remember(places, id, () => ({ shape, cross: [...header.start], ...this.home(header) }));
    if (this.place.picture !== picture) Object.assign(this.place, { picture, low: 0, high: 255 });
    this.reference = header.masks.find((mask) => mask.bit === 0);
    this.sources = header.masks.filter((mask) => mask.bit > 0);
    this.lanes = this.buildLanes();
    this.counts = profile(masks, header.shape, this.lanes);
    this.buildPanes();
    this.fillMenus();
    this.follow();
    this.layout();
  }

  // The rows of the strip: the reference, then each source's wrong voxels (all its voxels, if there is no reference).
  buildLanes() {
    const lanes = this.sources.map(({ bit, name, colour }) => {
      const has = (code) => (code >> bit) & 1;
      const wrong = { label: `${name} errors`, test: test((code) => has(code) !== (code & 1)) };
      return { source: true, colour, ...(this.reference ? wrong : { label: name, test: test(has) }) };
    });
    const reference = { label: "Reference", colour: this.reference?.colour, test: test((code) => code & 1) };
    return this.reference ? [reference, ...lanes] : lanes;
  }

  home(header) {
    return { zoom: 1, centre: header.box.map(([first, last]) => (first + last) / 2) };
  }

  // A focus from Python acts once; afterwards the reader is free to move on.
  follow() {
    const asked = JSON.stringify(this.options.focus);
    if (!this.place || asked === this.place.focus) return;
    this.place.focus = asked;
    if (this.options.focus) this.goTo(this.options.focus);
  }

  buildPanes() {
    const masks = this.header.masks.length ? this.header.masks : [{ name: "Image", bit: -1 }];
    this.panes = masks.map((mask) => {
      const canvas = el("canvas", { "data-pane": mask.name, role: "img" });
      const edges = ["left", "right", "top", "bottom"];
      const letters = edges.map((edge) => el("span", { class: `letter ${edge}`, "data-edge": edge }));
      const swatch = el("i", { class: "swatch" });
      swatch.style.background = mask.colour ?? "transparent";
      const volume = mask.volume_ml === undefined ? "" : `${mask.volume_ml.toFixed(mask.volume_ml < 10 ? 2 : 1)} ml`;
      const title = el("header", {}, swatch, el("b", { title: mask.name }, mask.name), el("span", {}, volume));
      const frame = el("div", { class: "pane" }, title, el("div", { class: "picture" }, canvas, ...letters));
      return { mask, canvas, letters, frame, ctx: canvas.getContext("2d", { alpha: false }), patterns: {} };
    });
    this.grid.replaceChildren(...this.panes.map((pane) => pane.frame));
  }

  fillMenus() {
    const { lesions, false_positives: extra, presets } = this.header;
    this.findings = [...lesions, ...extra];
    const word = this.reference ? "Lesion" : "Component";
    const option = (value, text) => el("option", { value }, text);
    const ml = (spot) => `${spot.volume_ml.toFixed(2)} ml`;
    const missed = ({ missed_by: names }) => (names.length ? ` · missed by ${names.join(", ")}` : "");
    const own = lesions.map((spot, i) => option(i, `${word} ${i + 1}/${lesions.length} · ${ml(spot)}${missed(spot)}`));
    const source = (spot) => this.sources.find(({ bit }) => bit === spot.bit).name;
    const others = extra.map((spot, i) => option(lesions.length + i, `False positive: ${source(spot)} · ${ml(spot)}`));
    const none = option(-1, this.findings.length ? "Go to …" : "No lesion");
    this.finding.replaceChildren(none, ...own, ...others);
    this.preset.replaceChildren(option(-1, "Custom"), ...presets.map(({ name }, i) => option(i, name)));
    this.preset.options[0].hidden = true;
    this.root.querySelector('[data-value="errors"]').disabled = !this.comparable;
  }

  // ---- what every input ends in

  get plane() {
    return PLANES[this.ui.axis];
  }

  // Whether the voxel index falls from left to right on the screen. Sagittal slices are seen from the patient's left
  // (anterior on the left of the screen) in both conventions.
  get flipped() {
    return this.ui.axis === "sagittal" || this.ui.radiological;
  }

  get comparable() {
    return Boolean(this.reference) && this.sources.length > 0;
  }

  get errors() {
    return this.ui.mode === "errors" && this.comparable;
  }

  set(name, value) {
    this.ui[name] = value;
    if (name === "axis") {
      this.hover = null;
      this.report();
    }
    this.invalidate();
  }

  goTo(voxel) {
    if (!this.place) return;
    const cross = voxel.map((index, axis) => clamp(Math.round(index), 0, this.header.shape[axis] - 1));
    if (String(cross) === String(this.place.cross)) return;
    this.place.cross = cross;
    this.report();
    this.invalidate();
  }

  // Moves along one axis, by default through the slices.
  move(steps, axis = this.plane.n) {
    this.goTo(this.place.cross.map((index, a) => (a === axis ? index + steps : index)));
  }

  goFinding(index) {
    const finding = this.findings[index];
    if (!finding) return;
    this.goTo(finding.voxel);
    // A lesion outside the zoomed view would not be seen.
    if (this.place.zoom > 1) this.place.centre = finding.voxel.map((i) => i + 0.5);
    this.invalidate();
  }

  // Next or previous among the lesions, or among the false positives.
  stepFinding(step, extra = false) {
    const first = extra ? this.header.lesions.length : 0;
    const count = (extra ? this.findings.length : this.header.lesions.length) - first;
    if (!count) return;
    const here = this.findings.findIndex(({ voxel }, i) => i >= first && String(voxel) === String(this.place.cross));
    const next = here < 0 ? (step > 0 ? 0 : count - 1) : (here - first + step + count) % count;
    this.goFinding(first + next);
  }

  // What the read-out tells about: the voxel under the pointer of a pane, or null.
  point(voxel, pane) {
    const known = voxel?.every((index, axis) => index >= 0 && index < this.header.shape[axis]);
    this.hover = known ? { voxel, pane: pane.mask.name } : null;
    this.invalidate();
  }

  zoomBy(factor) {
    this.place.zoom = clamp(this.place.zoom * factor, 0.5, 20);
    this.invalidate();
  }

  // Move the view by voxels across and up the slice.
  shift(i, j) {
    this.place.centre[this.plane.h] += i;
    this.place.centre[this.plane.v] += j;
    this.invalidate();
  }

  setWindow(low, high) {
    const width = Math.max(high - low, 2);
    const middle = clamp((low + high) / 2, 0, 255);
    Object.assign(this.place, { low: middle - width / 2, high: middle + width / 2 });
    this.invalidate();
  }

  setPreset(index) {
    const { window: [low, high], presets } = this.header;
    const shown = (value) => ((value - low) / (high - low)) * 255;
    if (presets[index]) this.setWindow(shown(presets[index].low), shown(presets[index].high));
  }

  resetView() {
    Object.assign(this.place, this.home(this.header));
    this.setPreset(0);
  }

  toggleHelp(show = this.help.hidden) {
    this.help.hidden = !show;
    this.root.querySelector('[data-do="help"]').setAttribute("aria-expanded", String(show));
  }

  report() {
    if (!this.options.report) return;
    clearTimeout(this.timer); // once, after the last motion: each report is a rerun
    this.timer = setTimeout(() => this.send({ axis: this.ui.axis, voxel: this.place.cross }), 400);
  }

  // ---- drawing

  layout() {
    if (!this.header || !this.root.clientWidth) return;
    const count = this.panes.length;
    const fit = clamp(Math.floor((this.root.clientWidth + GAP) / (MIN_PANE + GAP)), 1, count);
    const columns = Math.ceil(count / Math.ceil(count / fit)); // 4 panes in room for 3 go 2 + 2, not 3 + 1
    const width = Math.min(Math.floor((this.root.clientWidth - GAP * (columns - 1)) / columns), 720);
    // One height for all planes, the tallest's: the page must not jump when the plane changes.
    const mm = this.header.box.map(([first, last], axis) => (last - first) * this.header.spacing_mm[axis]);
    const tallest = Math.max(...Object.values(PLANES).map(({ h, v }) => mm[v] / mm[h]));
    const rows = Math.ceil(count / columns);
    const height = Math.round(Math.min(width * clamp(tallest, 0.6, 1.1), Math.max(MAX_HEIGHT / rows, MIN_PANE)));
    this.ratio = window.devicePixelRatio || 1;
    this.grid.style.gridTemplateColumns = `repeat(${columns}, ${width}px)`;
    for (const pane of this.panes) {
      pane.canvas.style.height = `${height}px`;
      pane.canvas.width = Math.round(width * this.ratio);
      pane.canvas.height = Math.round(height * this.ratio);
      const { FP, FN } = this.header.errors;
      pane.patterns = { FP: hatch(pane.ctx, FP, true, this.ratio), FN: hatch(pane.ctx, FN, false, this.ratio) };
    }
    this.stripKey = null;
    this.invalidate();
  }

  invalidate() {
    this.frame ||= requestAnimationFrame(() => {
      this.frame = 0;
      if (this.header) this.paint();
    });
  }

  paint() {
    const { n } = this.plane;
    this.gather();
    for (const pane of this.panes) this.drawPane(pane);
    this.drawStrip();
    this.syncControls();
    this.writeReadout();
    const { axis } = this.ui;
    Object.assign(this.root.dataset, { ready: "true", axis, slice: this.place.cross[n], case: this.header.case });
  }

  // Picture and mask codes of the shown slice at voxel resolution; every pane draws from these.
  gather() {
    const { plane, header: { shape, parts } } = this;
    const { cross, low, high } = this.place;
    const slice = JSON.stringify([parts, this.ui.axis, cross[plane.n]]);
    const grey = `${slice} ${low} ${high}`;
    if (slice !== this.sliceKey) {
      this.paths.clear();
      this.codes = cut(this.masks, shape, plane, cross[plane.n]);
      this.grey = cut(this.image, shape, plane, cross[plane.n]);
    }
    if (grey !== this.greyKey) shade(this.slice, this.grey, shape[plane.h], low, high);
    [this.sliceKey, this.greyKey] = [slice, grey];
  }

  // From slice voxels to a pane's device pixels, in true millimetres. Up is anterior or superior.
  matrix({ width, height }) {
    const { h, v } = this.plane;
    const { spacing_mm: mm, box } = this.header;
    const extent = (axis) => (box[axis][1] - box[axis][0]) * mm[axis] * 1.06;
    const scale = this.place.zoom * Math.min(width / extent(h), height / extent(v));
    const a = (this.flipped ? -1 : 1) * mm[h] * scale;
    const d = -mm[v] * scale;
    return new DOMMatrix([a, 0, 0, d, width / 2 - a * this.place.centre[h], height / 2 - d * this.place.centre[v]]);
  }

  // What a pane shows over the image: {test, colour, and how}.
  layers({ bit, colour }) {
    const { ui, reference } = this;
    if (!ui.masks || bit < 0) return [];
    const has = (code) => (code >> bit) & 1;
    const fill = ui.style === "fill";
    if (this.errors && bit > 0) {
      const { TP, FP, FN } = this.header.errors;
      return [
        { name: `tp${bit}`, test: (c) => has(c) && c & 1, colour: TP, fill, width: 1.4 },
        { name: `fp${bit}`, test: (c) => has(c) && !(c & 1), colour: FP, fill, hatch: "FP", width: 1.6, dash: [5, 3] },
        { name: `fn${bit}`, test: (c) => !has(c) && c & 1, colour: FN, fill, hatch: "FN", width: 1.6 },
      ];
    }
    const own = { name: `mask${bit}`, test: has, colour, fill, width: 1.8 };
    const rim = { name: "mask0", test: (c) => c & 1, colour: reference?.colour, width: 1.2, dash: [3, 2] };
    return bit > 0 && reference && ui.rim ? [own, rim] : [own];
  }

  drawPane(pane) {
    const { canvas, ctx, patterns } = pane;
    const { plane: { h, v }, place: { cross } } = this;
    const matrix = this.matrix(canvas);
    ctx.resetTransform();
    ctx.fillStyle = "#000";
    ctx.fillRect(0, 0, canvas.width, canvas.height);
    ctx.imageSmoothingEnabled = this.ui.smooth;
    ctx.setTransform(matrix);
    ctx.drawImage(this.slice, 0, 0);
    ctx.resetTransform();
    for (const layer of this.layers(pane.mask)) {
      const path = new Path2D();
      path.addPath(this.outline(layer), matrix); // so that lines keep their width at any zoom and spacing
      drawRegion(ctx, path, { ...layer, pattern: patterns[layer.hatch] }, this.ui.opacity, this.ratio);
    }
    const [x, y] = [matrix.a * (cross[h] + 0.5) + matrix.e, matrix.d * (cross[v] + 0.5) + matrix.f];
    if (this.ui.cross) drawCross(ctx, Math.round(x) + 0.5, Math.round(y) + 0.5, this.ratio);
    this.labelPane(pane);
  }

  outline({ name, test: holds }) {
    const { plane: { h, v }, header: { shape } } = this;
    return remember(this.paths, name, () => trace(this.codes, shape[h], shape[v], test(holds)));
  }

  labelPane({ canvas, letters, mask }) {
    const { h, v, n } = this.plane;
    const [left, right] = this.flipped ? [1, 0] : [0, 1];
    const texts = [LETTERS[h][left], LETTERS[h][right], LETTERS[v][1], LETTERS[v][0]];
    letters.forEach((letter, i) => (letter.textContent = texts[i]));
    const slice = `${this.ui.axis} slice ${this.place.cross[n]}`;
    canvas.setAttribute("aria-label", `${mask.name}, ${slice}, ${texts[0]} on the left`);
  }

  // Which slices hold the reference and where each source errs; the bars are redrawn only when they change.
  drawStrip() {
    const { plane: { n }, ratio, root: { clientWidth: width } } = this;
    const [length, mark, height] = [this.header.shape[n], this.place.cross[n], 16];
    const gutter = Math.min(150, width * 0.25);
    const step = (width - gutter - 18) / length;
    this.stripScale = { gutter, step };
    this.marker.style.transform = `translateX(${gutter + mark * step - 1}px)`;
    this.marker.style.width = `${Math.max(step + 1, 4)}px`;
    const value = `${this.ui.axis} slice ${mark} of 0 to ${length - 1}`;
    const aria = { label: `${this.ui.axis} slice`, valuemax: length - 1, valuenow: mark, valuetext: value };
    for (const [name, text] of Object.entries(aria)) this.track.setAttribute(`aria-${name}`, text);
    const key = JSON.stringify([this.digest, this.ui.axis, width, ratio]);
    if (key === this.stripKey) return;
    this.stripKey = key;
    const total = Math.max(this.lanes.length, 1) * height + 4;
    this.strip.style.height = `${total}px`;
    Object.assign(this.strip, { width: Math.round(width * ratio), height: Math.round(total * ratio) });
    const style = getComputedStyle(this.root);
    const ctx = this.strip.getContext("2d");
    ctx.scale(ratio, ratio);
    Object.assign(ctx, { fillStyle: style.color, font: `11px ${style.fontFamily}`, textBaseline: "middle" });
    this.lanes.forEach((lane, i) => {
      // One scale for all sources: their bars are there to be compared.
      const peers = this.counts[n].filter((_, j) => this.lanes[j].source === lane.source);
      const most = Math.max(1, ...peers.map((counts) => Math.max(...counts)));
      drawLane(ctx, lane, this.counts[n][i], { most, top: 2 + i * height, height, gutter, step });
    });
    ctx.font = `600 ${ctx.font}`;
    ctx.fillText(LETTERS[n][0], gutter - 13, total / 2 + 1);
    ctx.fillText(LETTERS[n][1], gutter + step * length + 6, total / 2 + 1);
  }

  syncControls() {
    const { ui, place, header } = this;
    for (const knob of this.root.querySelectorAll("[data-set], [data-flip]")) {
      const { set, value, flip } = knob.dataset;
      knob.setAttribute("aria-pressed", String(set ? ui[set] === value : ui[flip]));
    }
    this.opacity.value = ui.opacity;
    this.opacity.disabled = ui.style === "outline";
    this.finding.value = this.findings.findIndex((finding) => String(finding.voxel) === String(place.cross));
    this.finding.title = this.finding.selectedOptions[0]?.textContent ?? "";
    const [low, high] = [this.intensity(place.low), this.intensity(place.high)];
    const close = (a, b) => Math.abs(a - b) < (header.window[1] - header.window[0]) * 1e-6;
    this.preset.value = header.presets.findIndex((p) => close(p.low, low) && close(p.high, high));
    const legend = this.errors ? `errors${this.ratio}` : "";
    if (legend !== this.legendKey) this.buildLegend((this.legendKey = legend));
  }

  buildLegend(errors) {
    const meaning = { TP: "right (TP)", FP: "too much (FP)", FN: "missed (FN)" };
    const swatches = Object.entries(errors ? meaning : {}).map(([kind, text]) => {
      const swatch = el("i", { class: `key ${kind}` });
      swatch.style.setProperty("--colour", this.header.errors[kind]);
      return el("span", {}, swatch, text);
    });
    this.legend.replaceChildren(...swatches);
  }

  // ---- read-out

  intensity(shown) {
    const [low, high] = this.header.window;
    return low + (shown / 255) * (high - low);
  }

  // The voxel under the pointer, else the crosshair's.
  writeReadout() {
    const { header, place, plane: { n }, ui: { axis } } = this;
    // The wheel changes the slice under a resting pointer.
    const voxel = (this.hover?.voxel ?? place.cross).map((index, a) => (a === n ? place.cross[n] : index));
    const [x, y, z] = voxel;
    const mm = header.affine.slice(0, 3).map(([a, b, c, d]) => (a * x + b * y + c * z + d).toFixed(1));
    const at = x + header.shape[0] * (y + header.shape[1] * z);
    const digits = Math.max(0, 3 - Math.ceil(Math.log10(header.window[1] - header.window[0])));
    const bound = { 0: "≤ ", 255: "≥ " }[this.image[at]] ?? ""; // the bytes end at the window
    const inside = header.masks.filter((mask) => (this.masks[at] >> mask.bit) & 1).map((mask) => mask.name);
    const fields = [
      `${axis[0].toUpperCase()}${axis.slice(1)} ${place.cross[n]} of 0–${header.shape[n] - 1}`,
      this.hover ? this.hover.pane : "Crosshair",
      `voxel ${voxel.join(", ")}`,
      `RAS ${mm.join(", ")} mm${header.oblique_deg >= 1 ? ` (axes oblique by ${header.oblique_deg}°)` : ""}`,
      `${header.sequence || "intensity"} ${bound}${this.intensity(this.image[at]).toFixed(digits)}`,
      `window ${this.intensity(place.low).toFixed(digits)} to ${this.intensity(place.high).toFixed(digits)}`,
      inside.length ? `in ${inside.join(", ")}` : "in no mask",
    ];
    this.readout.replaceChildren(...fields.map((field) => el("span", {}, field)));
  }
}

// Streamlit calls this on every change of data or theme, and the last function it returned when the element goes. A
// call that was overtaken has its function run too, so only the newest one may take the viewer down.
export default function ({ data, parentElement, setStateValue }) {
  // Streamlit may have put fresh HTML into the same mount point.
  if (!viewers.get(parentElement)?.root.isConnected) viewers.set(parentElement, new Viewer(parentElement));
  const viewer = viewers.get(parentElement);
  const turn = ++viewer.turn;
  viewer.send = (view) => setStateValue("view", view);
  viewer.receive(data);
  return () => {
    if (viewer.turn !== turn) return;
    viewer.destroy();
    viewers.delete(parentElement);
  };
}
