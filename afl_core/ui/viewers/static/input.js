// Mouse, touch and keys: every handler ends in one of the actions (actions.js).

import {
  goTo, moveBy, pointAt, resetView, setPreset, setSwitch, setWindow, shiftBy, toggleHelp, zoomBy,
} from "./actions.js";
import { goFinding, stepFinding, toggleNear } from "./findings.js";
import { matrixOf } from "./geometry.js";

/** @typedef {import("./viewer.js").Viewer} Viewer */
/** @typedef {import("./types").Pane} Pane */

/**
 * Slice coordinates (voxels, with fractions) of a pointer event over a pane.
 * @param {Viewer} viewer
 * @param {{clientX: number, clientY: number}} event
 * @param {Pane} pane
 * @returns {{i: number, j: number}}
 */
function locate(viewer, { clientX, clientY }, { canvas }) {
  const frame = canvas.getBoundingClientRect();
  const matrix = matrixOf(viewer, canvas);
  const x = ((clientX - frame.left) / frame.width) * canvas.width;
  const y = ((clientY - frame.top) / frame.height) * canvas.height;
  return { i: (x - matrix.e) / matrix.a, j: (y - matrix.f) / matrix.d };
}

/**
 * The voxel under the pointer.
 * @param {Viewer} viewer
 * @param {PointerEvent} event
 * @param {Pane} pane
 * @returns {import("./types").Voxel}
 */
function voxelAt(viewer, event, pane) {
  const { h, v } = viewer.plane;
  const { i, j } = locate(viewer, event, pane);
  return viewer.place.cross.map((index, axis) => ({ [h]: Math.floor(i), [v]: Math.floor(j) })[axis] ?? index);
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
  shiftBy(viewer, before.i - after.i, before.j - after.j);
}

/**
 * Moves the view by CSS pixels.
 * @param {Viewer} viewer
 * @param {number} dx
 * @param {number} dy
 * @param {Pane} pane
 */
function panBy(viewer, dx, dy, { canvas }) {
  const matrix = matrixOf(viewer, canvas);
  shiftBy(viewer, (-dx * viewer.ratio) / matrix.a, (-dy * viewer.ratio) / matrix.d);
}

/**
 * Scrolls through the slices, or zooms with Ctrl.
 * @param {Viewer} viewer
 * @param {WheelEvent} event
 * @param {Pane} pane
 */
function onWheel(viewer, event, pane) {
  const { n } = viewer.plane;
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
  if (steps) moveBy(viewer, steps);
}

/**
 * Begins a drag: of the crosshair, of the view (Shift or middle button) or of the window (right button).
 * @param {Viewer} viewer
 * @param {PointerEvent} event
 * @param {Pane} pane
 */
function onDown(viewer, event, pane) {
  event.preventDefault(); // no text selection, no autoscroll on the middle button
  viewer.grid.focus({ preventScroll: true });
  pane.canvas.setPointerCapture(event.pointerId);
  const drag = event.button === 2 ? "window" : event.button === 1 || event.shiftKey ? "pan" : "cross";
  viewer.pointers.set(event.pointerId, { x: event.clientX, y: event.clientY, drag });
  if (drag === "cross" && viewer.pointers.size === 1) goTo(viewer, voxelAt(viewer, event, pane));
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
  if (!pointer) return;
  const [dx, dy] = [event.clientX - pointer.x, event.clientY - pointer.y];
  const { low, high } = viewer.place;
  if (viewer.pointers.size === 2) onPinch(viewer, event, pane, pointer, dx, dy);
  else if (pointer.drag === "cross") goTo(viewer, voxelAt(viewer, event, pane));
  else if (pointer.drag === "pan") panBy(viewer, dx, dy, pane);
  else setWindow(viewer, low - dx / 2 + dy / 2, high + dx / 2 + dy / 2);
  Object.assign(pointer, { x: event.clientX, y: event.clientY });
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
  grid.addEventListener("pointerup", release);
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

/**
 * Listens to the toolbar and to the keys.
 * @param {Viewer} viewer
 */
export function listenToControls(viewer) {
  const { root, opacity, finding, preset, pair, sequence, more } = viewer;
  const actions = {
    reset: () => resetView(viewer), help: () => toggleHelp(viewer), near: () => toggleNear(viewer),
  };
  root.addEventListener("click", (event) => {
    const { set, value, flip, step, by, do: action } = event.target.closest("button")?.dataset ?? {};
    if (!viewer.place) return;
    if (set) setSwitch(viewer, set, value);
    if (flip) setSwitch(viewer, flip, !viewer.ui[flip]);
    if (step) stepFinding(viewer, Number(by), step);
    actions[action]?.();
  });
  opacity.addEventListener("input", () => setSwitch(viewer, "opacity", Number(opacity.value)));
  finding.addEventListener("change", () => goFinding(viewer, Number(finding.value)));
  pair.addEventListener("change", () => setSwitch(viewer, "pair", Number(pair.value)));
  sequence.addEventListener("change", () => viewer.choose(sequence.value));
  more.addEventListener("focusout", ({ relatedTarget }) => {
    if (!more.contains(/** @type {Node | null} */ (relatedTarget))) more.open = false;
  });
  preset.addEventListener("change", () => setPreset(viewer, Number(preset.value)));
  root.addEventListener("keydown", (event) => {
    const typing = event.target.matches("input, select");
    if (!viewer.place || typing || event.ctrlKey || event.metaKey || event.altKey || !press(viewer, event)) return;
    event.preventDefault();
    event.stopPropagation(); // Streamlit has keys of its own
  });
}

/**
 * Closes what lies over the panes.
 * @param {Viewer} viewer
 */
function closeMenus(viewer) {
  toggleHelp(viewer, false);
  viewer.more.open = false;
}

/**
 * Does what a key says, and tells whether it means something here. A key that a button carries is that button's click.
 * @param {Viewer} viewer
 * @param {KeyboardEvent} event
 * @returns {boolean}
 */
function press(viewer, { key, shiftKey }) {
  const { h, v } = viewer.plane;
  const right = viewer.flipped ? -1 : 1; // the voxel step that goes right on the screen
  const other = (name, one, two) => () => setSwitch(viewer, name, viewer.ui[name] === one ? two : one);
  /** @typedef {Record<string, [number, number?]>} Moves Steps, and the axis where it is not that of the slices. */
  /** @type {Moves} */
  const scroll = { ArrowRight: [1], ArrowLeft: [-1], ArrowUp: [1], ArrowDown: [-1], PageUp: [10], PageDown: [-10] };
  /** @type {Moves} */
  const within = { ArrowRight: [right, h], ArrowLeft: [-right, h], ArrowUp: [1, v], ArrowDown: [-1, v] };
  /** @type {Moves} */
  const moves = { ...scroll, ...(shiftKey ? within : {}), Home: [-1e6], End: [1e6] };
  const move = moves[key];
  const actions = {
    e: other("mode", "errors", "masks"), a: other("mode", "agreement", "masks"),
    t: other("mode", "together", "masks"), f: other("style", "fill", "outline"),
    N: () => stepFinding(viewer, 1, "false_positive"), P: () => stepFinding(viewer, -1, "false_positive"),
    "+": () => zoomBy(viewer, 1.25), "-": () => zoomBy(viewer, 0.8), Escape: () => closeMenus(viewer),
  };
  const knob = [...viewer.root.querySelectorAll("[data-key]")].find((button) => button.dataset.key === key);
  const action = move ? () => moveBy(viewer, ...move) : actions[key] ?? (knob && (() => knob.click()));
  action?.();
  return Boolean(action);
}
