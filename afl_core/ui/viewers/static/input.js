// Mouse, touch and keys: every handler ends in one of the Viewer's actions (viewer.js).

import { goFinding, stepFinding } from "./findings.js";
import { matrixOf } from "./geometry.js";

// Slice coordinates (voxels, fractional) of a pointer event over a pane.
function locate(viewer, { clientX, clientY }, { canvas }) {
  const frame = canvas.getBoundingClientRect();
  const matrix = matrixOf(viewer, canvas);
  const x = ((clientX - frame.left) / frame.width) * canvas.width;
  const y = ((clientY - frame.top) / frame.height) * canvas.height;
  return { i: (x - matrix.e) / matrix.a, j: (y - matrix.f) / matrix.d };
}

function voxelAt(viewer, event, pane) {
  const { h, v } = viewer.plane;
  const { i, j } = locate(viewer, event, pane);
  return viewer.place.cross.map((index, axis) => ({ [h]: Math.floor(i), [v]: Math.floor(j) })[axis] ?? index);
}

// Zoom, keeping the voxel under the pointer where it is.
function zoomAt(viewer, factor, event, pane) {
  const before = locate(viewer, event, pane);
  viewer.zoomBy(factor);
  const after = locate(viewer, event, pane);
  viewer.shift(before.i - after.i, before.j - after.j);
}

function panBy(viewer, dx, dy, { canvas }) {
  const matrix = matrixOf(viewer, canvas);
  viewer.shift((-dx * viewer.ratio) / matrix.a, (-dy * viewer.ratio) / matrix.d);
}

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
  if (steps) viewer.move(steps);
}

function onDown(viewer, event, pane) {
  event.preventDefault(); // no text selection, no autoscroll on the middle button
  viewer.grid.focus({ preventScroll: true });
  pane.canvas.setPointerCapture(event.pointerId);
  const drag = event.button === 2 ? "window" : event.button === 1 || event.shiftKey ? "pan" : "cross";
  viewer.pointers.set(event.pointerId, { x: event.clientX, y: event.clientY, drag });
  if (drag === "cross" && viewer.pointers.size === 1) viewer.goTo(voxelAt(viewer, event, pane));
}

function onMove(viewer, event, pane) {
  const pointer = viewer.pointers.get(event.pointerId);
  viewer.point(voxelAt(viewer, event, pane), pane);
  if (!pointer) return;
  const [dx, dy] = [event.clientX - pointer.x, event.clientY - pointer.y];
  const { low, high } = viewer.place;
  if (viewer.pointers.size === 2) onPinch(viewer, event, pane, pointer, dx, dy);
  else if (pointer.drag === "cross") viewer.goTo(voxelAt(viewer, event, pane));
  else if (pointer.drag === "pan") panBy(viewer, dx, dy, pane);
  else viewer.setWindow(low - dx / 2 + dy / 2, high + dx / 2 + dy / 2);
  Object.assign(pointer, { x: event.clientX, y: event.clientY });
}

function onPinch(viewer, event, pane, pointer, dx, dy) {
  const other = [...viewer.pointers.values()].find((p) => p !== pointer);
  const apart = (x, y) => Math.max(Math.hypot(x - other.x, y - other.y), 1);
  const middle = { clientX: (event.clientX + other.x) / 2, clientY: (event.clientY + other.y) / 2 };
  zoomAt(viewer, apart(event.clientX, event.clientY) / apart(pointer.x, pointer.y), middle, pane);
  panBy(viewer, dx / 2, dy / 2, pane);
}

export function listenToPanes(viewer) {
  const over = (handle) => (event) => {
    const pane = viewer.panes.find(({ canvas }) => canvas === event.target);
    if (pane && viewer.place) handle(viewer, event, pane);
  };
  const release = (event) => viewer.pointers.delete(event.pointerId);
  const { grid } = viewer;
  grid.addEventListener("wheel", over(onWheel), { passive: false });
  grid.addEventListener("contextmenu", over((_, event) => event.preventDefault()));
  grid.addEventListener("dblclick", over(() => viewer.resetView()));
  grid.addEventListener("pointerdown", over(onDown));
  grid.addEventListener("pointermove", over(onMove));
  grid.addEventListener("pointerup", release);
  grid.addEventListener("pointercancel", release);
  grid.addEventListener("pointerleave", () => viewer.point(null));
}

export function listenToStrip(viewer) {
  const { track } = viewer;
  const jump = (event) => {
    if (!viewer.place || !event.buttons) return;
    const { gutter, step } = viewer.stripScale;
    const slice = Math.floor((event.clientX - track.getBoundingClientRect().left - gutter) / step);
    viewer.move(slice - viewer.place.cross[viewer.plane.n]);
  };
  track.addEventListener("pointermove", jump);
  track.addEventListener("pointerdown", (event) => {
    track.setPointerCapture(event.pointerId);
    jump(event);
  });
}

export function listenToControls(viewer) {
  const { root, opacity, finding, preset, pair } = viewer;
  const actions = {
    reset: () => viewer.resetView(), help: () => viewer.toggleHelp(),
  };
  root.addEventListener("click", (event) => {
    const { set, value, flip, step, by, do: action } = event.target.closest("button")?.dataset ?? {};
    if (!viewer.place) return;
    if (set) viewer.set(set, value);
    if (flip) viewer.set(flip, !viewer.ui[flip]);
    if (step) stepFinding(viewer, Number(by), step);
    actions[action]?.();
  });
  opacity.addEventListener("input", () => viewer.set("opacity", Number(opacity.value)));
  finding.addEventListener("change", () => goFinding(viewer, Number(finding.value)));
  pair.addEventListener("change", () => viewer.set("pair", Number(pair.value)));
  preset.addEventListener("change", () => viewer.setPreset(Number(preset.value)));
  root.addEventListener("keydown", (event) => {
    const typing = event.target.matches("input, select");
    if (!viewer.place || typing || event.ctrlKey || event.metaKey || event.altKey || !press(viewer, event)) return;
    event.preventDefault();
    event.stopPropagation(); // Streamlit has keys of its own
  });
}

// Whether the key means something here. A key that a button carries is that button's click.
function press(viewer, { key, shiftKey }) {
  const { h, v } = viewer.plane;
  const right = viewer.flipped ? -1 : 1; // the voxel step that goes right on the screen
  const other = (name, one, two) => () => viewer.set(name, viewer.ui[name] === one ? two : one);
  const scroll = { ArrowRight: [1], ArrowLeft: [-1], ArrowUp: [1], ArrowDown: [-1], PageUp: [10], PageDown: [-10] };
  const within = { ArrowRight: [right, h], ArrowLeft: [-right, h], ArrowUp: [1, v], ArrowDown: [-1, v] };
  const move = { ...scroll, ...(shiftKey ? within : {}), Home: [-1e6], End: [1e6] }[key];
  const actions = {
    e: other("mode", "errors", "masks"), a: other("mode", "agreement", "masks"),
    t: other("mode", "together", "masks"), f: other("style", "fill", "outline"),
    N: () => stepFinding(viewer, 1, "false_positive"), P: () => stepFinding(viewer, -1, "false_positive"),
    "+": () => viewer.zoomBy(1.25), "-": () => viewer.zoomBy(0.8), Escape: () => viewer.toggleHelp(false),
  };
  const knob = [...viewer.root.querySelectorAll("[data-key]")].find((button) => button.dataset.key === key);
  const action = move ? () => viewer.move(...move) : actions[key] ?? (knob && (() => knob.click()));
  action?.();
  return Boolean(action);
}
