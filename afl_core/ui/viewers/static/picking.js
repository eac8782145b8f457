// What the pointer is over: a place on a surface, told in the read-out, or gone to in the slices.

import { matrixOf, viewOf } from "./camera.js";
import { el } from "./common.js";
import { meet, subtract } from "./mesh.js";

/** @typedef {import("./surfaces.js").Surfaces} Surfaces */

/**
 * The surface point under the pointer, or null.
 * @param {Surfaces} viewer
 * @param {MouseEvent} event
 * @returns {import("./types").Hit | null}
 */
export function pick(viewer, { clientX, clientY }) {
  const frame = viewer.stage.getBoundingClientRect();
  const pane = paneAt(viewer, clientX - frame.left, clientY - frame.top);
  if (!pane) return null;
  const x = ((clientX - frame.left - pane.left) / viewer.paneWidth) * 2 - 1;
  const y = 1 - ((clientY - frame.top - pane.top) / viewer.paneHeight) * 2;
  const { eye } = viewOf(viewer);
  const far = matrixOf(viewer).inverse().transformPoint(new DOMPoint(x, y, 0.5));
  const ray = subtract([far.x / far.w, far.y / far.w, far.z / far.w], eye);
  const hit = meet(pane.mesh, eye, ray);
  return hit && { ...hit, name: pane.mesh.name };
}

/**
 * The pane at a place of the stage, in CSS pixels.
 * @param {Surfaces} viewer
 * @param {number} x
 * @param {number} y
 * @returns {import("./types").Scene | undefined}
 */
function paneAt(viewer, x, y) {
  const { paneWidth, paneHeight } = viewer;
  return viewer.panes.find(({ left, top }) => x >= left && x < left + paneWidth && y >= top && y < top + paneHeight);
}

/**
 * Tells in the read-out of a surface point; of nothing where there is none.
 * @param {Surfaces} viewer
 * @param {import("./types").Hit | null} hit
 */
export function say(viewer, hit) {
  const side = (mm) => `${Math.abs(mm).toFixed(1)} mm ${mm < 0 ? "inside" : "outside"} the reference`;
  const fields = hit ? [hit.name, `RAS ${hit.mm.map((mm) => mm.toFixed(1)).join(", ")} mm`] : [];
  if (hit?.distance != null) fields.push(side(hit.distance));
  viewer.readout.replaceChildren(...fields.map((field) => el("span", {}, field)));
}

/**
 * Brings the slices to a surface point.
 * @param {Surfaces} viewer
 * @param {import("./types").Hit | null} hit
 */
export function visit(viewer, hit) {
  if (hit) window.dispatchEvent(new CustomEvent("afl-goto", { detail: { case: viewer.header.case, mm: hit.mm } }));
}
