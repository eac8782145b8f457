// What every mouse, key and button of the slices ends in: each action changes what is chosen, and has it drawn.

import { clamp } from "./common.js";
import { layout, planeOf } from "./geometry.js";
import { buildPanes, choosePanes } from "./panes.js";

/** @typedef {import("./viewer.js").Viewer} Viewer */

export const MIN_ZOOM = 0.5;
export const MAX_ZOOM = 20;
const LEAST_FIELD_MM = 40;

/**
 * The view of a case at first: the finding that is wanted large, else the whole.
 * @param {import("./types").Header} header
 * @returns {import("./types").View}
 */
export function home(header) {
  return header.near ? around(header, header.near) : whole(header);
}

/**
 * The view of all the foreground of a case.
 * @param {import("./types").Header} header
 * @returns {import("./types").View}
 */
export function whole(header) {
  return { zoom: 1, centre: middleOf(header.box), near: false };
}

/**
 * The view of a place: twice as wide as what lies there is long, 40 mm or more, and never more than the whole.
 * @param {import("./types").Header} header
 * @param {{voxel: import("./types").Voxel, box?: [number, number][]}} place
 * @returns {import("./types").View}
 */
export function around(header, { voxel, box = voxel.map((index) => [index, index + 1]) }) {
  const lengths = (sides) => sides.map(([first, last], axis) => (last - first) * header.spacing_mm[axis]);
  const field = Math.max(LEAST_FIELD_MM, 2 * Math.max(...lengths(box)));
  const zoom = clamp(Math.min(...lengths(header.box)) / field, 1, MAX_ZOOM);
  return { zoom, centre: middleOf(box), near: true };
}

/**
 * The middle of a box of voxels.
 * @type {(box: [number, number][]) => import("./types").Voxel}
 */
const middleOf = (box) => box.map(([first, last]) => (first + last) / 2);

/**
 * Sets one of the reader's switches.
 * @param {Viewer} viewer
 * @param {string} name One of `Switches`.
 * @param {unknown} value
 */
export function setSwitch(viewer, name, value) {
  if (name === "mode" && viewer.options.outlines) return;
  const chosen = (of) => JSON.stringify([choosePanes(of), of.labelled]); // titles say which colours there are
  const before = new Map(viewer.peers.map((peer) => [peer, chosen(peer)]));
  if (name === "axis") viewer.ui.lead = viewer.axis; // three planes go on with the slices of the one before
  viewer.ui[name] = value;
  if (name === "axis") {
    viewer.hover = null;
    report(viewer);
  }
  for (const [peer, panes] of before) {
    if (panes === chosen(peer)) continue;
    buildPanes(peer);
    layout(peer);
  }
  viewer.invalidate();
}

/**
 * Moves the crosshair to a voxel, or to the nearest one of the grid.
 * @param {Viewer} viewer
 * @param {import("./types").Voxel} voxel
 */
export function goTo(viewer, voxel) {
  const { place, header } = viewer;
  if (!place) return;
  const cross = voxel.map((index, axis) => clamp(Math.round(index), 0, header.shape[axis] - 1));
  if (String(cross) === String(place.cross)) return;
  place.cross = cross;
  place.chosen = false;
  report(viewer);
  viewer.invalidate();
}

/**
 * Moves the crosshair along one axis, by default through the slices.
 * @param {Viewer} viewer
 * @param {number} steps
 * @param {number} axis
 */
export function moveBy(viewer, steps, axis = viewer.plane.n) {
  goTo(viewer, viewer.place.cross.map((index, a) => (a === axis ? index + steps : index)));
}

/**
 * Has the read-out tell about the voxel under the pointer of a pane, or about the crosshair's where there is none.
 * @param {Viewer} viewer
 * @param {import("./types").Voxel | null} voxel
 * @param {import("./types").Pane} [pane]
 */
export function pointAt(viewer, voxel, pane) {
  const known = voxel?.every((index, axis) => index >= 0 && index < viewer.header.shape[axis]);
  viewer.hover = known ? { voxel, pane: pane.canvas.dataset.pane, n: planeOf(viewer, pane).n } : null;
  viewer.invalidate();
}

/**
 * Zooms about the middle of the panes.
 * @param {Viewer} viewer
 * @param {number} factor Above 1 to see less, larger.
 */
export function zoomBy(viewer, factor) {
  const { place } = viewer;
  Object.assign(place, { zoom: clamp(place.zoom * factor, MIN_ZOOM, MAX_ZOOM), near: false });
  viewer.invalidate();
}

/**
 * Moves the view by voxels.
 * @param {Viewer} viewer
 * @param {number} i Across the slice.
 * @param {number} j Up the slice.
 * @param {import("./types").Plane} plane
 */
export function shiftBy(viewer, i, j, { h, v }) {
  const { centre } = viewer.place;
  centreOn(viewer, centre[h] + i, centre[v] + j, { h, v });
}

/**
 * Moves the view so that a place of a slice is in the middle; it stays within the image, which is else lost.
 * @param {Viewer} viewer
 * @param {number} i Across the slice.
 * @param {number} j Up the slice.
 * @param {{h: number, v: number}} plane
 */
export function centreOn(viewer, i, j, { h, v }) {
  const { place, header: { shape } } = viewer;
  place.centre[h] = clamp(i, 0, shape[h]);
  place.centre[v] = clamp(j, 0, shape[v]);
  place.near = false;
  viewer.invalidate();
}

/**
 * Has keys and strip go through the slices of a pane's plane, where three are shown.
 * @param {Viewer} viewer
 * @param {import("./types").Pane} pane
 */
export function leadWith(viewer, pane) {
  if (!pane.axis || pane.axis === viewer.axis) return;
  viewer.ui.lead = pane.axis;
  report(viewer);
  viewer.invalidate();
}

/**
 * Sets which grey levels are drawn black and white; 0 to 255 is the window of the header.
 * @param {Viewer} viewer
 * @param {number} low
 * @param {number} high
 */
export function setWindow(viewer, low, high) {
  const width = Math.max(high - low, 2);
  const middle = clamp((low + high) / 2, viewer.levels[0], viewer.levels[255]);
  Object.assign(viewer.place, { low: middle - width / 2, high: middle + width / 2 });
  viewer.invalidate();
}

/**
 * Sets the window to one of the header's presets; an index that has none changes nothing.
 * @param {Viewer} viewer
 * @param {number} index
 */
export function setPreset(viewer, index) {
  const { window: [low, high], presets } = viewer.header;
  const shown = (value) => ((value - low) / (high - low)) * 255;
  if (presets[index]) setWindow(viewer, shown(presets[index].low), shown(presets[index].high));
}

/**
 * Takes zoom, pan and window back to what they were at first.
 * @param {Viewer} viewer
 */
export function resetView(viewer) {
  Object.assign(viewer.place, home(viewer.header));
  setPreset(viewer, 0);
}

/**
 * Says for a moment why the wheel moved the page and not the slices.
 * @param {Viewer} viewer
 * @param {boolean} show
 */
export function showHint(viewer, show) {
  clearTimeout(viewer.hintTimer);
  viewer.hint.classList.toggle("shown", show);
  if (show) viewer.hintTimer = setTimeout(() => showHint(viewer, false), 1500);
}

/**
 * Shows or hides the list of mouse and keys.
 * @param {Viewer} viewer
 * @param {boolean} show
 */
export function toggleHelp(viewer, show = viewer.help.hidden) {
  viewer.help.hidden = !show;
  if (show) viewer.help.scrollIntoView({ block: "nearest" });
  viewer.root.querySelector('[data-do="help"]').setAttribute("aria-expanded", String(show));
}

/**
 * Tells Python plane and crosshair, if it wants to know: once, after the last motion, as each report is a rerun.
 * @param {Viewer} viewer
 */
function report(viewer) {
  if (!viewer.options.report) return;
  clearTimeout(viewer.timer);
  viewer.timer = setTimeout(() => viewer.send({ axis: viewer.axis, voxel: viewer.place.cross }), 400);
}
