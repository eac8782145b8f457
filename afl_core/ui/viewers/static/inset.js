// What tells where and how large the view of a pane is: the whole slice in a corner, and a scale bar.

import { axisOf, planeOf } from "./geometry.js";
import { cutOf } from "./picture.js";

/** @typedef {import("./viewer.js").Viewer} Viewer */
/** @typedef {import("./types").Pane} Pane */

const SHARE = 0.28; // of the pane's shorter side
const MARGIN = 8; // CSS pixels to the edges of the pane

/**
 * Where the inset of a pane lies in its device pixels, and the matrix from slice voxels into it; null without one. A
 * zoomed pane has one; of panes that show one slice, the first alone, as all would be alike.
 * @param {Viewer} viewer
 * @param {Pane} pane
 * @returns {{left: number, top: number, width: number, height: number, small: DOMMatrix} | null}
 */
export function insetOf(viewer, pane) {
  const { header: { box, spacing_mm: mm }, ratio, place, panes } = viewer;
  const { canvas } = pane;
  if (place.zoom <= 1 || !(pane.axis || pane.shows === panes[0].shows)) return null;
  const { h, v } = planeOf(viewer, pane);
  const [wide, tall] = [h, v].map((axis) => (box[axis][1] - box[axis][0]) * mm[axis]);
  const scale = (SHARE * Math.min(canvas.width, canvas.height)) / Math.max(wide, tall);
  const [width, height] = [wide * scale, tall * scale];
  const [left, top] = [MARGIN * ratio, canvas.height - height - MARGIN * ratio];
  const [a, d] = [(viewer.flipped(axisOf(viewer, pane)) ? -1 : 1) * mm[h] * scale, -mm[v] * scale];
  const [i, j] = [h, v].map((axis) => (box[axis][0] + box[axis][1]) / 2);
  const small = new DOMMatrix([a, 0, 0, d, left + width / 2 - a * i, top + height / 2 - d * j]);
  return { left, top, width, height, small };
}

/**
 * The place of the slice that lies under a place of the inset; null beside it.
 * @param {Viewer} viewer
 * @param {Pane} pane
 * @param {number} x In the pane's device pixels.
 * @param {number} y
 * @returns {DOMPoint | null} In slice voxels.
 */
export function inInset(viewer, pane, x, y) {
  const inset = insetOf(viewer, pane);
  if (!inset || x < inset.left || x > inset.left + inset.width || y < inset.top || y > inset.top + inset.height) return null;
  return inset.small.inverse().transformPoint(new DOMPoint(x, y));
}

/**
 * Draws the whole slice into a corner, with a frame around what the pane shows of it.
 * @param {Viewer} viewer
 * @param {Pane} pane
 * @param {DOMMatrix} matrix From slice voxels to the pane's pixels.
 */
export function drawInset(viewer, pane, matrix) {
  const inset = insetOf(viewer, pane);
  if (!inset) return;
  const { ctx, canvas } = pane;
  const { ratio } = viewer;
  const back = inset.small.multiply(matrix.inverse());
  const [one, other] = [[0, 0], [canvas.width, canvas.height]].map(([x, y]) => back.transformPoint(new DOMPoint(x, y)));
  ctx.save();
  ctx.beginPath();
  ctx.rect(inset.left, inset.top, inset.width, inset.height);
  ctx.fillStyle = "#000";
  ctx.fill();
  ctx.clip();
  ctx.setTransform(inset.small);
  ctx.drawImage(cutOf(viewer, axisOf(viewer, pane)).slice, 0, 0);
  ctx.resetTransform();
  ctx.strokeStyle = "rgba(255, 255, 255, 0.6)";
  ctx.lineWidth = 2 * ratio;
  ctx.stroke();
  ctx.strokeStyle = "#fff";
  ctx.lineWidth = 1.5 * ratio;
  ctx.strokeRect(Math.min(one.x, other.x), Math.min(one.y, other.y), Math.abs(other.x - one.x), Math.abs(other.y - one.y));
  ctx.restore();
}

/**
 * Draws a bar of a round length into the lower right corner.
 * @param {Viewer} viewer
 * @param {Pane} pane
 * @param {DOMMatrix} matrix From slice voxels to the pane's pixels.
 */
export function drawScale(viewer, pane, matrix) {
  const { header, ratio } = viewer;
  const { ctx, canvas } = pane;
  const perMm = Math.abs(matrix.a) / header.spacing_mm[planeOf(viewer, pane).h];
  const mm = roundLength((0.3 * canvas.width) / perMm);
  const [right, bottom] = [canvas.width - MARGIN * ratio, canvas.height - MARGIN * ratio];
  ctx.save();
  ctx.shadowColor = "#000";
  ctx.shadowBlur = 3 * ratio;
  ctx.fillStyle = "#fff";
  ctx.fillRect(right - mm * perMm, bottom - 3 * ratio, mm * perMm, 3 * ratio);
  ctx.font = `600 ${11 * ratio}px system-ui, sans-serif`;
  ctx.textAlign = "right";
  ctx.fillText(`${mm} mm`, right, bottom - 7 * ratio);
  ctx.restore();
}

/**
 * The longest of 1, 2, 5, 10, 20, 50 ... that is not above a length.
 * @param {number} most Above 0.
 * @returns {number}
 */
export function roundLength(most) {
  const power = 10 ** Math.floor(Math.log10(most));
  return Number(([5, 2, 1].find((digit) => digit * power <= most) * power).toPrecision(1));
}
