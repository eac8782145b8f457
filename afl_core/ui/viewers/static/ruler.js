// The ruler: two places of a slice, and the length in mm between them.

import { axisOf, planeOf, toMm } from "./geometry.js";

/** @typedef {import("./viewer.js").Viewer} Viewer */
/** @typedef {import("./types").Pane} Pane */

/**
 * Takes up the ruler, or puts it down; a line that was drawn stays until the next one begins.
 * @param {Viewer} viewer
 */
export function toggleRuler(viewer) {
  viewer.measuring = !viewer.measuring;
  if (!viewer.measuring && !viewer.place.ruler?.done) viewer.place.ruler = null;
  viewer.invalidate();
}

/**
 * Takes ruler and line away.
 * @param {Viewer} viewer
 * @returns {boolean} Whether there was any.
 */
export function removeRuler(viewer) {
  const there = viewer.measuring || Boolean(viewer.place.ruler);
  viewer.measuring = false;
  viewer.place.ruler = null;
  viewer.invalidate();
  return there;
}

/**
 * Sets an end of the line: the second one if the first lies in the same slice.
 * @param {Viewer} viewer
 * @param {import("./types").Voxel} voxel With fractions; whole numbers are the edges of voxels.
 * @param {Pane} pane
 */
export function setEnd(viewer, voxel, pane) {
  const [axis, { n }] = [axisOf(viewer, pane), planeOf(viewer, pane)];
  const begun = viewer.place.ruler;
  if (begun && !begun.done && begun.axis === axis && begun.ends[0][n] === voxel[n]) {
    viewer.place.ruler = { axis, ends: [begun.ends[0], voxel], done: true };
    viewer.measuring = false;
  } else viewer.place.ruler = { axis, ends: [voxel, voxel], done: false };
  viewer.invalidate();
}

/**
 * Has the open end of the line follow the pointer.
 * @param {Viewer} viewer
 * @param {import("./types").Voxel} voxel
 * @param {Pane} pane
 */
export function stretch(viewer, voxel, pane) {
  const { ruler } = viewer.place;
  if (!viewer.measuring || !ruler || ruler.done || ruler.axis !== axisOf(viewer, pane)) return;
  ruler.ends = [ruler.ends[0], voxel];
  viewer.invalidate();
}

/**
 * What the ruler says: the length by the affine, so that voxels of any shape and an oblique grid count right.
 * @param {Viewer} viewer
 * @returns {string}
 */
export function rulerText(viewer) {
  const { ruler } = viewer.place;
  if (!ruler) return viewer.measuring ? "Ruler: click two places" : "";
  const [one, other] = ruler.ends.map((voxel) => toMm(viewer, voxel));
  return `Ruler ${Math.hypot(...one.map((mm, i) => other[i] - mm)).toFixed(1)} mm`;
}

/**
 * Draws the line into the panes that show its slice.
 * @param {Viewer} viewer
 * @param {Pane} pane
 * @param {DOMMatrix} matrix From slice voxels to the pane's pixels.
 */
export function drawRuler(viewer, pane, matrix) {
  const { place: { ruler, cross }, ratio } = viewer;
  const { h, v, n } = planeOf(viewer, pane);
  if (!ruler || ruler.axis !== axisOf(viewer, pane) || ruler.ends[0][n] !== cross[n]) return;
  const [a, b] = ruler.ends.map((voxel) => matrix.transformPoint(new DOMPoint(voxel[h], voxel[v])));
  const { ctx } = pane;
  const angle = Math.atan2(b.y - a.y, b.x - a.x) + Math.PI / 2;
  const [dx, dy] = [5 * ratio * Math.cos(angle), 5 * ratio * Math.sin(angle)];
  const line = new Path2D();
  const tick = ({ x, y }) => [{ x: x - dx, y: y - dy }, { x: x + dx, y: y + dy }];
  for (const [from, to] of [[a, b], tick(a), tick(b)]) {
    line.moveTo(from.x, from.y);
    line.lineTo(to.x, to.y);
  }
  ctx.save();
  for (const [strokeStyle, width] of /** @type {[string, number][]} */ ([["#000", 4], ["#fff", 1.5]])) {
    Object.assign(ctx, { strokeStyle, lineWidth: width * ratio });
    ctx.stroke(line);
  }
  const text = rulerText(viewer).replace("Ruler ", "");
  Object.assign(ctx, { font: `600 ${13 * ratio}px system-ui, sans-serif`, textAlign: "center", textBaseline: "middle" });
  Object.assign(ctx, { lineWidth: 3 * ratio, strokeStyle: "#000", fillStyle: "#fff", lineJoin: "round" });
  const half = ctx.measureText(text).width / 2 + 4 * ratio;
  const inside = (value, room, end) => Math.min(Math.max(value, room), end - room);
  const above = Math.sin(angle) > 0 ? -1 : 1; // the side of the line that is higher
  const x = inside((a.x + b.x) / 2 + above * (half + 4 * ratio) * Math.cos(angle), half, ctx.canvas.width);
  const y = inside((a.y + b.y) / 2 + above * 14 * ratio * Math.sin(angle), 10 * ratio, ctx.canvas.height);
  ctx.strokeText(text, x, y);
  ctx.fillText(text, x, y);
  ctx.restore();
}
