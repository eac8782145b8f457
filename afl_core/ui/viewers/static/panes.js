// The panes: the slice, the masks as regions and lines over it, and the letters at its edges.

import { LETTERS, el, millilitres, remember } from "./common.js";
import { axisOf, matrixOf, planeOf } from "./geometry.js";
import { drawInset, drawScale } from "./inset.js";
import { cutOf } from "./picture.js";
import { labelKinds, wrongLabel } from "./labels.js";
import { drawRuler } from "./ruler.js";
import { drawCross, drawRegion, hatch } from "./strokes.js";
import { PLANES, test, trace } from "./voxels.js";

/** @typedef {import("./viewer.js").Viewer} Viewer */
/** @typedef {import("./types").Pane} Pane */
/** @typedef {import("./types").Layer} Layer */
/** @typedef {import("./types").Kind} Kind */

const CUT = "#00e5ff"; // of the outline above the threshold: no colour of a map or mask
const EDGES = ["left", "right", "top", "bottom"];

/**
 * What three planes can show, one of these at a time: in the mode "errors" a source, else all outlines first, as a
 * comparison in three planes is what they are for.
 * @param {Viewer} viewer
 * @returns {import("./types").Shows[]}
 */
export function subjects({ header: { masks, maps }, sources, agreement, errors, labelled, mode, options }) {
  if (options.outlines) return [{ name: options.outlines, together: true }];
  const together = { name: "All outlines", together: true };
  const mapped = maps.map((map, index) => ({ ...map, map: index }));
  if (agreement) return [compared(agreement), ...mapped];
  if (errors) return [...sources, ...mapped];
  if (labelled) return [...masks, ...mapped];
  if (mode === "together" && masks.length > 1) return [together, ...mapped];
  return [...(masks.length > 1 ? [together] : []), ...(masks.length ? masks : [{ name: "Image" }]), ...mapped];
}

/**
 * What the panes show: the masks; behind them, in the mode "agreement", the comparison of two sources; then the maps.
 * Or one of these in three planes.
 * @param {Viewer} viewer
 * @returns {{shows: import("./types").Shows, axis?: string}[]}
 */
export function choosePanes(viewer) {
  const { header: { masks, maps }, agreement, beside, options, ui } = viewer;
  if (ui.axis === "three") {
    const choices = subjects(viewer);
    const shows = choices.find(({ name }) => name === ui.subject) ?? choices[0];
    return Object.keys(PLANES).map((axis) => ({ shows, axis }));
  }
  if (options.outlines) return subjects(viewer).map((shows) => ({ shows }));
  /** @type {import("./types").Shows[]} */
  const shown = masks.length ? [...masks] : [{ name: "Image" }];
  if (agreement) shown.push(compared(agreement));
  if (beside === "together") shown.push({ name: "All outlines", together: true });
  shown.push(...maps.map((map, index) => ({ ...map, map: index })));
  return shown.map((shows) => ({ shows }));
}

/**
 * What a pane shows of two sources.
 * @type {(pair: import("./types").Mask[]) => import("./types").Shows}
 */
const compared = (pair) => ({ name: `${pair[0].name} against ${pair[1].name}`, pair });

/**
 * Makes the panes, with a title each.
 * @param {Viewer} viewer
 */
export function buildPanes(viewer) {
  viewer.panes = choosePanes(viewer).map(({ shows, axis }) => {
    const name = axis ? `${axis[0].toUpperCase()}${axis.slice(1)} · ${shows.name}` : shows.name;
    const canvas = el("canvas", { "data-pane": name, role: "img" });
    const letters = EDGES.map((edge) => el("span", { class: `letter ${edge}`, "data-edge": edge }));
    const swatch = el("i", { class: "swatch" });
    swatch.hidden = !shows.colour || viewer.labelled; // where colours are labels, no colour is a source
    swatch.style.background = shows.colour;
    const { volume_ml: ml } = shows;
    const volume = ml === undefined ? "" : millilitres(ml);
    const alone = viewer.labelled && shows.bit !== undefined && !viewer.header.labels.columns[shows.bit];
    const told = alone ? `${name} · its region alone` : name;
    const title = el("header", {}, swatch, el("b", { title: told }, told), el("span", {}, volume));
    const frame = el("div", { class: "pane" }, title, el("div", { class: "picture" }, canvas, ...letters));
    return { shows, axis, canvas, letters, frame, ctx: canvas.getContext("2d", { alpha: false }), patterns: new Map() };
  });
  viewer.grid.replaceChildren(...viewer.panes.map((pane) => pane.frame), viewer.hint);
}

/**
 * What a pane shows over the image.
 * @param {Viewer} viewer
 * @param {import("./types").Shows} shows
 * @returns {Layer[]}
 */
function layers(viewer, { bit, colour, pair, map, together }) {
  const { ui, reference, header } = viewer;
  const fill = ui.style === "fill";
  const rim = { name: "mask0", test: (c) => c & 1, colour: reference?.colour, width: 1.2, dash: [3, 2] };
  if (!ui.masks) return [];
  if (map !== undefined) return [...cutLayers(viewer, map), ...(reference && ui.rim ? [rim] : [])];
  if (together) return outlineKinds(viewer);
  if (pair) return agreementKinds(viewer).map((kind) => ({ ...kind, fill, width: 1.6 }));
  if (bit === undefined) return [];
  const has = (code) => (code >> bit) & 1;
  const kinds = viewer.labelled ? labelKinds(viewer, bit) : [];
  if (kinds.length) return [...kinds.map((kind) => ({ ...kind, fill })), ...(bit > 0 && reference && ui.rim ? [rim] : [])];
  if (viewer.errors && bit > 0) {
    const { TP, FP, FN } = header.errors;
    return [
      { name: `tp${bit}`, test: (c) => has(c) && c & 1, colour: TP, fill, width: 1.4 },
      { name: `fp${bit}`, test: (c) => has(c) && !(c & 1), colour: FP, fill, hatch: "/", width: 1.6, dash: [5, 3] },
      { name: `fn${bit}`, test: (c) => !has(c) && c & 1, colour: FN, fill, hatch: "\\", width: 1.6 },
      ...wrongLabel(viewer, bit).map((kind) => ({ ...kind, fill })),
    ];
  }
  const outline = { name: `mask${bit}`, test: has, colour, fill, width: 1.8 };
  return bit > 0 && reference && ui.rim ? [outline, rim] : [outline];
}

/**
 * The outline of the voxels of a map above the reader's threshold, where it has one.
 * @param {Viewer} viewer
 * @param {number} map
 * @returns {Layer[]}
 */
function cutLayers({ header, ui }, map) {
  const { cut, limits: [low, high] } = header.maps[map];
  if (!cut) return [];
  const least = ((ui.cut - low) / (high - low)) * 255; // bytes are rounded, so that those above hold the values above
  return [{ name: `map${map} above ${ui.cut}`, map, test: (byte) => byte > least, colour: CUT, width: 2 }];
}

/**
 * Every mask as a line of its own.
 * @param {Viewer} viewer
 * @returns {Kind[]}
 */
export function outlineKinds({ header }) {
  const dashes = [[], [7, 3], [2, 2], [7, 2, 2, 2]];
  const line = ({ bit, name, colour }) => ({ text: name, colour, dash: dashes[bit], width: 1.8, fill: false });
  return header.masks.map((mask) => ({ ...line(mask), name: `mask${mask.bit}`, test: (code) => (code >> mask.bit) & 1 }));
}

/**
 * Where two sources are right, alone or together. Voxels outside of both and of the reference need no colour.
 * @param {Viewer} viewer
 * @returns {Kind[]}
 */
export function agreementKinds(viewer) {
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

/**
 * Draws a pane: the slice, the regions over it, the crosshair and the letters.
 * @param {Viewer} viewer
 * @param {Pane} pane
 */
export function drawPane(viewer, pane) {
  const { canvas, ctx, patterns, shows } = pane;
  const { place: { cross }, ratio, ui } = viewer;
  const { h, v } = planeOf(viewer, pane);
  const here = cutOf(viewer, axisOf(viewer, pane));
  const matrix = matrixOf(viewer, pane);
  ctx.resetTransform();
  ctx.fillStyle = "#000";
  ctx.fillRect(0, 0, canvas.width, canvas.height);
  ctx.setTransform(matrix);
  ctx.imageSmoothingEnabled = ui.smooth;
  ctx.drawImage(here.slice, 0, 0);
  if (shows.map !== undefined && ui.masks) {
    ctx.imageSmoothingEnabled = false; // a value belongs to its voxel
    ctx.globalAlpha = Math.min(1, 2 * ui.opacity);
    ctx.drawImage(here.maps[shows.map], 0, 0);
    ctx.globalAlpha = 1;
  }
  ctx.resetTransform();
  for (const layer of layers(viewer, shows)) {
    const path = new Path2D();
    const traced = outline(viewer.header.shape, { h, v }, here, layer);
    path.addPath(traced, matrix); // so that lines keep their width at any zoom and spacing
    const { hatch: kind, colour } = layer;
    const pattern = kind && remember(patterns, colour + kind, () => hatch(ctx, colour, kind, ratio));
    drawRegion(ctx, path, { ...layer, pattern }, ui.opacity, ratio);
  }
  const [x, y] = [matrix.a * (cross[h] + 0.5) + matrix.e, matrix.d * (cross[v] + 0.5) + matrix.f];
  if (ui.cross) drawCross(ctx, Math.round(x) + 0.5, Math.round(y) + 0.5, ratio);
  drawRuler(viewer, pane, matrix);
  drawInset(viewer, pane, matrix);
  drawScale(viewer, pane, matrix);
  labelPane(viewer, pane);
}

/**
 * Outlines of a layer in the shown slice, in voxels; kept until the slice changes.
 * @param {number[]} shape
 * @param {{h: number, v: number}} plane
 * @param {import("./types").Cut} cut
 * @param {Layer} layer
 * @returns {Path2D}
 */
function outline(shape, { h, v }, { paths, codes, labels, values }, { name, labelled, map, test: holds }) {
  const voxels = map === undefined ? (labelled ? labels : codes) : values[map];
  return remember(paths, name, () => trace(voxels, shape[h], shape[v], test(holds)));
}

/**
 * Writes the letters at the edges of a pane, and what it shows for a screen reader.
 * @param {Viewer} viewer
 * @param {Pane} pane
 */
function labelPane(viewer, pane) {
  const axis = axisOf(viewer, pane);
  const { h, v, n } = PLANES[axis];
  const [left, right] = viewer.flipped(axis) ? [1, 0] : [0, 1];
  const texts = [LETTERS[h][left], LETTERS[h][right], LETTERS[v][1], LETTERS[v][0]];
  const { canvas, letters, shows, frame } = pane;
  letters.forEach((letter, i) => (letter.textContent = texts[i]));
  frame.classList.toggle("lead", pane.axis === viewer.axis);
  canvas.setAttribute("aria-label", `${shows.name}, ${axis} slice ${viewer.place.cross[n]}, ${texts[0]} on the left`);
}
