// Mouse and touch over the panes: every handler ends in one of the actions (actions.js).

import {
  centreOn, goTo, leadWith, moveBy, pointAt, resetView, setWindow, shiftBy, showHint, zoomBy,
} from "./actions.js";
import { matrixOf, planeOf } from "./geometry.js";
import { inInset } from "./inset.js";
import { setEnd, stretch } from "./ruler.js";

/** @typedef {import("./viewer.js").Viewer} Viewer */
/** @typedef {import("./types").Pane} Pane */

/**
 * Device pixels of a pointer event in a pane.
 * @param {{clientX: number, clientY: number}} event
 * @param {Pane} pane
 * @returns {[number, number]}
 */
function pixelAt({ clientX, clientY }, { canvas }) {
  const { left, top, width, height } = canvas.getBoundingClientRect();
  return [((clientX - left) / width) * canvas.width, ((clientY - top) / height) * canvas.height];
}

/**
 * Slice coordinates (voxels, with fractions) of a pointer event over a pane.
 * @param {Viewer} viewer
 * @param {{clientX: number, clientY: number}} event
 * @param {Pane} pane
 * @returns {{i: number, j: number}}
 */
function locate(viewer, event, pane) {
  const matrix = matrixOf(viewer, pane);
  const [x, y] = pixelAt(event, pane);
  return { i: (x - matrix.e) / matrix.a, j: (y - matrix.f) / matrix.d };
}

/**
 * The place under the pointer, in voxels with fractions; whole numbers are the edges of voxels.
 * @param {Viewer} viewer
 * @param {PointerEvent} event
 * @param {Pane} pane
 * @returns {import("./types").Voxel}
 */
function placeAt(viewer, event, pane) {
  const { h, v } = planeOf(viewer, pane);
  const { i, j } = locate(viewer, event, pane);
  return viewer.place.cross.map((index, axis) => ({ [h]: i, [v]: j })[axis] ?? index);
}

/**
 * The voxel under the pointer.
 * @type {(viewer: Viewer, event: PointerEvent, pane: Pane) => import("./types").Voxel}
 */
const voxelAt = (viewer, event, pane) => placeAt(viewer, event, pane).map(Math.floor);

/**
 * Moves the view to the place under the pointer in the inset.
 * @param {Viewer} viewer
 * @param {PointerEvent} event
 * @param {Pane} pane
 * @returns {boolean} Whether the pointer is over the inset.
 */
function goInInset(viewer, event, pane) {
  const [x, y] = pixelAt(event, pane);
  const place = inInset(viewer, pane, x, y);
  if (place) centreOn(viewer, place.x, place.y, planeOf(viewer, pane));
  return Boolean(place);
}

/**
 * Zooms, keeping the voxel under the pointer where it is.
 * @param {Viewer} viewer
 * @param {number} factor
 * @param {{clientX: number, clientY: number}} event
 * @param {Pane} pane
 */
function zoomAt(viewer, factor, event, pane) {
  const before = locate(viewer, event, pane);
  zoomBy(viewer, factor);
  const after = locate(viewer, event, pane);
  shiftBy(viewer, before.i - after.i, before.j - after.j, planeOf(viewer, pane));
}

/**
 * Moves the view by CSS pixels.
 * @param {Viewer} viewer
 * @param {number} dx
 * @param {number} dy
 * @param {Pane} pane
 */
function panBy(viewer, dx, dy, pane) {
  const matrix = matrixOf(viewer, pane);
  shiftBy(viewer, (-dx * viewer.ratio) / matrix.a, (-dy * viewer.ratio) / matrix.d, planeOf(viewer, pane));
}

/**
 * Scrolls through the slices, or zooms with Ctrl; the page scrolls past until the viewer has the focus.
 * @param {Viewer} viewer
 * @param {WheelEvent} event
 * @param {Pane} pane
 */
function onWheel(viewer, event, pane) {
  if (!viewer.root.matches(":focus-within")) return showHint(viewer, true);
  const { n } = planeOf(viewer, pane);
  leadWith(viewer, pane);
  const last = event.deltaY > 0 ? 0 : viewer.header.shape[n] - 1;
  if (!event.ctrlKey && viewer.place.cross[n] === last) return; // at the last slice the page scrolls on
  event.preventDefault();
  const delta = event.deltaY * (event.deltaMode ? 33 : 1);
  if (event.ctrlKey) {
    zoomAt(viewer, Math.exp(-delta / 300), event, pane);
    return;
  }
  // A mouse wheel gives one large delta a notch, a trackpad many small ones, whose remainder is kept.
  const notches = Math.max(1, Math.round(Math.abs(delta) / 120));
  viewer.wheel = Math.abs(delta) >= 50 ? -Math.sign(delta) * notches : viewer.wheel - delta / 30;
  const steps = Math.trunc(viewer.wheel);
  viewer.wheel -= steps;
  if (steps) moveBy(viewer, steps, n);
}

/**
 * Begins a drag: of the crosshair, of the ruler, of the view (Shift, middle button or in the inset) or of the window
 * (right button).
 * @param {Viewer} viewer
 * @param {PointerEvent} event
 * @param {Pane} pane
 */
function onDown(viewer, event, pane) {
  event.preventDefault(); // no text selection, no autoscroll on the middle button
  viewer.grid.focus({ preventScroll: true });
  leadWith(viewer, pane);
  pane.canvas.setPointerCapture(event.pointerId);
  const plain = event.button === 0 && !event.shiftKey && viewer.pointers.size === 0;
  const left = plain && goInInset(viewer, event, pane) ? "inset" : viewer.measuring ? "ruler" : "cross";
  const drag = event.button === 2 ? "window" : event.button === 1 || event.shiftKey ? "pan" : left;
  viewer.pointers.set(event.pointerId, { x: event.clientX, y: event.clientY, drag, path: 0 });
  if (drag === "ruler" && plain) setEnd(viewer, placeAt(viewer, event, pane), pane);
  if (drag === "cross" && plain) goTo(viewer, voxelAt(viewer, event, pane));
}

/**
 * Goes on with the drag of a pointer, and has the read-out follow it.
 * @param {Viewer} viewer
 * @param {PointerEvent} event
 * @param {Pane} pane
 */
function onMove(viewer, event, pane) {
  const pointer = viewer.pointers.get(event.pointerId);
  pointAt(viewer, voxelAt(viewer, event, pane), pane);
  stretch(viewer, placeAt(viewer, event, pane), pane);
  if (!pointer) return;
  const [dx, dy] = [event.clientX - pointer.x, event.clientY - pointer.y];
  const { low, high } = viewer.place;
  if (viewer.pointers.size === 2) onPinch(viewer, event, pane, pointer, dx, dy);
  else if (pointer.drag === "cross") goTo(viewer, voxelAt(viewer, event, pane));
  else if (pointer.drag === "pan") panBy(viewer, dx, dy, pane);
  else if (pointer.drag === "inset") goInInset(viewer, event, pane);
  else if (pointer.drag === "window") setWindow(viewer, low - dx / 2 + dy / 2, high + dx / 2 + dy / 2);
  Object.assign(pointer, { x: event.clientX, y: event.clientY, path: pointer.path + Math.abs(dx) + Math.abs(dy) });
}

/**
 * Ends a drag; a ruler that was drawn in one stroke ends there.
 * @param {Viewer} viewer
 * @param {PointerEvent} event
 * @param {Pane} pane
 */
function onUp(viewer, event, pane) {
  const pointer = viewer.pointers.get(event.pointerId);
  const drawn = pointer?.drag === "ruler" && viewer.measuring && pointer.path > 5;
  if (drawn) setEnd(viewer, placeAt(viewer, event, pane), pane);
}

/**
 * Zooms and moves the view as two fingers do.
 * @param {Viewer} viewer
 * @param {PointerEvent} event Of the finger that moved.
 * @param {Pane} pane
 * @param {import("./types").Pointer} pointer Where that finger was.
 * @param {number} dx
 * @param {number} dy
 */
function onPinch(viewer, event, pane, pointer, dx, dy) {
  const other = [...viewer.pointers.values()].find((p) => p !== pointer);
  const apart = (x, y) => Math.max(Math.hypot(x - other.x, y - other.y), 1);
  const middle = { clientX: (event.clientX + other.x) / 2, clientY: (event.clientY + other.y) / 2 };
  zoomAt(viewer, apart(event.clientX, event.clientY) / apart(pointer.x, pointer.y), middle, pane);
  panBy(viewer, dx / 2, dy / 2, pane);
}

/**
 * Listens to the mouse and fingers over the panes.
 * @param {Viewer} viewer
 */
export function listenToPanes(viewer) {
  const over = (handle) => (event) => {
    const pane = viewer.panes.find(({ canvas }) => canvas === event.target);
    if (pane && viewer.place) handle(viewer, event, pane);
  };
  const release = (event) => viewer.pointers.delete(event.pointerId);
  const { grid } = viewer;
  grid.addEventListener("wheel", over(onWheel), { passive: false });
  grid.addEventListener("contextmenu", over((_, event) => event.preventDefault()));
  grid.addEventListener("dblclick", over(() => resetView(viewer)));
  grid.addEventListener("pointerdown", over(onDown));
  grid.addEventListener("pointermove", over(onMove));
  grid.addEventListener("pointerup", over(onUp));
  grid.addEventListener("pointerup", release);
  grid.addEventListener("focusin", () => showHint(viewer, false));
  grid.addEventListener("pointercancel", release);
  grid.addEventListener("pointerleave", () => pointAt(viewer, null));
}

/**
 * Listens to the mouse and fingers over the strip, which leads to a slice.
 * @param {Viewer} viewer
 */
export function listenToStrip(viewer) {
  const { track } = viewer;
  const jump = (event) => {
    if (!viewer.place || !event.buttons) return;
    const { gutter, step } = viewer.stripScale;
    const slice = Math.floor((event.clientX - track.getBoundingClientRect().left - gutter) / step);
    moveBy(viewer, slice - viewer.place.cross[viewer.plane.n]);
  };
  track.addEventListener("pointermove", jump);
  track.addEventListener("pointerdown", (event) => {
    track.setPointerCapture(event.pointerId);
    jump(event);
  });
}
