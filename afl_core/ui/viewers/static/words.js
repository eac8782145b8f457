// The words around the panes: menus, legend and read-out.

import { el, millilitres } from "./common.js";
import { findingAt } from "./findings.js";
import { intensity, toMm } from "./geometry.js";
import { labelKeys, labelWords, wrongLabel } from "./labels.js";
import { agreementKinds, outlineKinds, subjects } from "./panes.js";
import { rulerText } from "./ruler.js";
import { drawRegion, hatch } from "./strokes.js";

/** @typedef {import("./viewer.js").Viewer} Viewer */

/**
 * Fills the menu of sequences; there is none where there is nothing to choose.
 * @param {Viewer} viewer
 */
export function fillSequences({ sequence: menu, options: { sequences = [], sequence = "" } }) {
  menu.replaceChildren(...sequences.map((name) => el("option", { value: name }, name)));
  menu.value = sequence;
  menu.hidden = sequences.length < 2;
}

/**
 * Fills the menus with what a case has, and turns off the buttons that it has nothing for.
 * @param {Viewer} viewer
 */
export function fillMenus(viewer) {
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
  viewer.root.querySelector('[data-value="labels"]').hidden = !viewer.header.labels;
  for (const kind of ["lesion", "disagreement"]) {
    const none = !findings.some((spot) => spot.kind === kind);
    for (const knob of viewer.root.querySelectorAll(`[data-step="${kind}"]`)) knob.disabled = none;
  }
}

/**
 * What a menu says of a place beside its size.
 * @param {Viewer} viewer
 * @param {import("./types").Finding} spot
 * @returns {string}
 */
function remark({ sources }, { missed_by: names = [], bit, right }) {
  if (names.length) return ` · missed by ${names.join(", ")}`;
  if (bit) return ` · ${sources.find((source) => source.bit === bit).name}`;
  return right ? ` · ${sources.map(({ name }, i) => `${name} ${Math.round(100 * right[i])}`).join(", ")} % right` : "";
}

/**
 * Has the toolbar and the legend show what is chosen.
 * @param {Viewer} viewer
 */
export function syncControls(viewer) {
  const { ui, place, header, root, opacity, finding, preset } = viewer;
  for (const knob of root.querySelectorAll("[data-set], [data-flip]")) {
    const { set, value, flip } = knob.dataset;
    const chosen = set === "mode" ? viewer.mode : ui[set];
    knob.setAttribute("aria-pressed", String(set ? chosen === value : ui[flip]));
  }
  root.querySelector('[data-do="near"]').setAttribute("aria-pressed", String(place.near));
  root.querySelector('[data-do="ruler"]').setAttribute("aria-pressed", String(viewer.measuring));
  opacity.value = ui.opacity;
  opacity.disabled = ui.style === "outline" && !header.maps.length;
  const [slider, told] = viewer.cut.querySelectorAll("input, output");
  viewer.cut.hidden = !header.maps.some(({ cut }) => cut);
  slider.value = ui.cut;
  told.textContent = ui.cut.toFixed(2);
  viewer.pair.hidden = !viewer.agreement || viewer.pairs.length < 2;
  viewer.pair.value = ui.pair;
  finding.value = findingAt(viewer, place.cross);
  finding.title = finding.selectedOptions[0]?.textContent ?? "";
  const [low, high] = [intensity(viewer, place.low), intensity(viewer, place.high)];
  const close = (a, b) => Math.abs(a - b) < (header.window[1] - header.window[0]) * 1e-6;
  preset.value = header.presets.findIndex((p) => close(p.low, low) && close(p.high, high));
  syncSubjects(viewer);
  const legend = JSON.stringify([viewer.errors, viewer.labelled, viewer.agreement, outlined(viewer), header.maps, header.labels]);
  if (legend !== viewer.legendKey) buildLegend(viewer);
  viewer.legendKey = legend;
}

/**
 * Has the choice of what three planes show hold what there is in this mode.
 * @param {Viewer} viewer
 */
function syncSubjects(viewer) {
  const { subject, ui, panes } = viewer;
  const names = subjects(viewer).map(({ name }) => name);
  const key = JSON.stringify(names);
  if (key !== viewer.subjectKey) subject.replaceChildren(...names.map((name) => el("option", { value: name }, name)));
  viewer.subjectKey = key;
  subject.hidden = ui.axis !== "three" || names.length < 2;
  if (!subject.hidden) subject.value = panes[0].shows.name;
}

/**
 * Whether a pane shows the outlines of all masks.
 * @type {(viewer: Viewer) => boolean}
 */
const outlined = ({ panes }) => panes.some(({ shows }) => shows.together);

/**
 * What the legend tells of: each kind of region that the panes show.
 * @param {Viewer} viewer
 * @returns {import("./types").Key[]}
 */
export function legendKinds(viewer) {
  const { TP, FP, FN } = viewer.header.errors;
  const errors = [
    { text: "right (TP)", colour: TP },
    { text: "too much (FP)", colour: FP, hatch: "/", dash: [5, 3] },
    { text: "missed (FN)", colour: FN, hatch: "\\" },
    ...viewer.sources.flatMap(({ bit }) => wrongLabel(viewer, bit)).slice(0, 1),
  ];
  if (viewer.labelled) return labelKeys(viewer);
  const compared = viewer.agreement ? agreementKinds(viewer) : outlined(viewer) ? outlineKinds(viewer) : [];
  return viewer.errors ? errors : compared;
}

/**
 * The scales of the maps; maps of one scale share it.
 * @param {Viewer} viewer
 * @returns {import("./types").ScalarMap[]}
 */
export function legendScales({ header: { maps } }) {
  return [...new Map(maps.map((map) => [JSON.stringify([map.label, map.limits, map.colours]), map])).values()];
}

/**
 * Makes the legend: a patch for each kind of region, a bar for each scale.
 * @param {Viewer} viewer
 */
function buildLegend(viewer) {
  const patch = (kind) => el("span", {}, swatch(kind, window.devicePixelRatio || 1), kind.text);
  viewer.legend.replaceChildren(...legendKinds(viewer).map(patch), ...legendScales(viewer).map(scale));
}

/**
 * A patch that looks as the region does in the panes.
 * @param {import("./types").Key} kind
 * @param {number} ratio Device pixels of a CSS pixel.
 * @returns {HTMLCanvasElement}
 */
export function swatch(kind, ratio) {
  const key = el("canvas", { class: "key", width: Math.round(30 * ratio), height: Math.round(14 * ratio) });
  const ctx = key.getContext("2d");
  const path = new Path2D();
  path.rect(ratio, ratio, key.width - 2 * ratio, key.height - 2 * ratio);
  if (kind.ground) ctx.fillRect(0, 0, key.width, key.height);
  const pattern = kind.hatch && hatch(ctx, kind.colour, kind.hatch, ratio);
  drawRegion(ctx, path, { fill: true, ...kind, pattern, width: 1.6 }, 0.4, ratio);
  return key;
}

/**
 * The colours of a map between its limits.
 * @param {import("./types").ScalarMap} map
 * @returns {HTMLElement}
 */
function scale({ label, limits, colours }) {
  const bar = el("i", { class: "scale" });
  bar.style.background = `linear-gradient(to right, ${colours.join(", ")})`;
  const [low, high] = limits.map((limit) => limit.toPrecision(3));
  return el("span", {}, `${label}: ${low}`, bar, high);
}

/**
 * Tells of the voxel under the pointer, else of the crosshair's.
 * @param {Viewer} viewer
 */
export function writeReadout(viewer) {
  const { header, place, hover, plane: { n }, axis } = viewer;
  // The wheel changes the slice under a resting pointer.
  const voxel = (hover?.voxel ?? place.cross).map((index, a) => (a === hover?.n ? place.cross[a] : index));
  const [x, y, z] = voxel;
  const at = x + header.shape[0] * (y + header.shape[1] * z);
  const bound = (byte) => ({ 0: "≤ ", 255: "≥ " })[byte] ?? ""; // the bytes end at the window
  const digits = Math.max(0, 3 - Math.ceil(Math.log10(header.window[1] - header.window[0])));
  const shown = (level) => intensity(viewer, level).toFixed(digits);
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
    `RAS ${toMm(viewer, voxel).map((mm) => mm.toFixed(1)).join(", ")} mm`,
    ...(header.presets.length ? pictured : []),
    ...values,
    inside.length ? `in ${inside.join(", ")}` : "in no mask",
    ...labelWords(viewer, at),
  ];
  if (rulerText(viewer)) fields.push(rulerText(viewer));
  if (header.oblique_deg >= 1) fields.push(`oblique by ${header.oblique_deg}°: letters name the nearest axes`);
  viewer.readout.replaceChildren(...fields.map((field) => el("span", {}, field)));
}
