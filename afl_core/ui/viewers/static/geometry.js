// From voxels to millimetres and to the screen.

import { GAP, MIN_PANE, clamp, columnsFor } from "./common.js";
import { PLANES } from "./voxels.js";

/** @typedef {import("./viewer.js").Viewer} Viewer */

const MAX_HEIGHT = 580; // of all rows of panes together: the strip below must stay in sight
export const LANE = 14; // height of a lane of the strip
const [TITLE, FOOT] = [22, 36]; // heights of a pane's title, and of the read-out with gaps

/**
 * From a voxel to RAS+ mm.
 * @param {Viewer} viewer
 * @param {import("./types").Voxel} voxel
 * @returns {import("./types").Millimetres}
 */
export function toMm(viewer, voxel) {
  const { x, y, z } = viewer.world.transformPoint(new DOMPoint(...voxel));
  return [x, y, z];
}

/**
 * From RAS+ mm to a voxel, with fractions.
 * @param {Viewer} viewer
 * @param {import("./types").Millimetres} mm
 * @returns {import("./types").Voxel}
 */
export function toVoxel(viewer, mm) {
  const { x, y, z } = viewer.world.inverse().transformPoint(new DOMPoint(...mm));
  return [x, y, z];
}

/**
 * The intensity of the image that a shown grey level stands for.
 * @param {Viewer} viewer
 * @param {number} shown 0 to 255 is the window of the header.
 * @returns {number}
 */
export function intensity(viewer, shown) {
  const [low, high] = viewer.header.window;
  return low + (shown / 255) * (high - low);
}

/**
 * The plane that a pane shows: its own where all three are shown, else that of the viewer.
 * @type {(viewer: Viewer, pane: import("./types").Pane) => string}
 */
export const axisOf = (viewer, pane) => pane.axis ?? viewer.axis;

/**
 * The axes of that plane.
 * @type {(viewer: Viewer, pane: import("./types").Pane) => import("./types").Plane}
 */
export const planeOf = (viewer, pane) => PLANES[axisOf(viewer, pane)];

/**
 * The matrix from slice voxels to a pane's device pixels, in true millimetres. Up is anterior or superior. Three planes
 * beside each other have one scale.
 * @param {Viewer} viewer
 * @param {import("./types").Pane} pane
 * @returns {DOMMatrix}
 */
export function matrixOf(viewer, pane) {
  const { width, height } = pane.canvas;
  const axis = axisOf(viewer, pane);
  const { h, v } = PLANES[axis];
  const { spacing_mm: mm, box } = viewer.header;
  const extent = (side) => (box[side][1] - box[side][0]) * mm[side] * 1.06;
  const alike = pane.axis ? Object.values(PLANES) : [PLANES[axis]];
  const scale = viewer.place.zoom * Math.min(...alike.flatMap((plane) => [width / extent(plane.h), height / extent(plane.v)]));
  const a = (viewer.flipped(axis) ? -1 : 1) * mm[h] * scale;
  const d = -mm[v] * scale;
  return new DOMMatrix([a, 0, 0, d, width / 2 - a * viewer.place.centre[h], height / 2 - d * viewer.place.centre[v]]);
}

/**
 * How high all rows of panes may be together: what stands below the viewer is to be in sight with them.
 * @param {Viewer} viewer
 * @returns {number}
 */
function roomFor({ grid, lanes, options: { below } }) {
  if (!below) return MAX_HEIGHT;
  const page = /** @type {ShadowRoot} */ (grid.getRootNode()).host?.closest(".stMain");
  const top = grid.getBoundingClientRect().top + (page?.scrollTop ?? 0);
  return window.innerHeight - top - TITLE - lanes.length * LANE - FOOT - below;
}

/**
 * Sets the panes out in rows, as large as the element has room, and has them drawn.
 * @param {Viewer} viewer
 */
export function layout(viewer) {
  if (!viewer.header || !viewer.root.clientWidth) return;
  const count = viewer.panes.length;
  const columns = columnsFor(viewer.root.clientWidth, count);
  const width = Math.min(Math.floor((viewer.root.clientWidth - GAP * (columns - 1)) / columns), 720);
  // One height for all planes, the tallest's: the page must not jump when the plane changes.
  const mm = viewer.header.box.map(([first, last], axis) => (last - first) * viewer.header.spacing_mm[axis]);
  const tallest = Math.max(...Object.values(PLANES).map(({ h, v }) => mm[v] / mm[h]));
  const rows = Math.ceil(count / columns);
  const height = Math.round(Math.min(width * clamp(tallest, 0.6, 1.1), Math.max(roomFor(viewer) / rows, MIN_PANE)));
  viewer.ratio = window.devicePixelRatio || 1;
  viewer.grid.style.gridTemplateColumns = `repeat(${columns}, ${width}px)`;
  for (const { canvas, patterns } of viewer.panes) {
    canvas.style.height = `${height}px`;
    canvas.width = Math.round(width * viewer.ratio);
    canvas.height = Math.round(height * viewer.ratio);
    patterns.clear();
  }
  viewer.stripKey = null;
  viewer.invalidate();
}
