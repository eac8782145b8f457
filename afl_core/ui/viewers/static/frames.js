// The elements of the surfaces' panes: frames with a title, letters of direction, and the mark of the crosshair.

import { FIELD, cameraText, project, viewOf } from "./camera.js";
import { GAP, LETTERS, clamp, columnsFor, el, writeAddress } from "./common.js";

/** @typedef {import("./surfaces.js").Surfaces} Surfaces */
/** @typedef {import("./types").Scene} Scene */

/**
 * Makes a pane of each scene, and the scale of the distances.
 * @param {Surfaces} viewer
 */
export function buildFrames(viewer) {
  viewer.panes = viewer.scenes.map((mesh) => {
    const swatch = el("i", { class: "swatch" });
    swatch.style.background = mesh.colour;
    const none = mesh.name === "Reference" ? "no tumour" : "no tumour predicted";
    const title = el("header", {}, swatch, el("b", { title: mesh.name }, mesh.name), mesh.faces.length ? "" : none);
    const letters = LETTERS.map((pair) => pair.map((letter) => el("span", { class: "letter" }, letter)));
    const mark = el("span", { class: "mark" });
    const frame = el("div", { class: "scene", "data-scene": mesh.name }, title, ...letters.flat(), mark);
    return { mesh, frame, letters, mark };
  });
  viewer.stage.replaceChildren(viewer.canvas, ...viewer.panes.map((pane) => pane.frame));
  const { limit_mm: limit, colours } = viewer.header;
  const measured = viewer.scenes.some((mesh) => mesh.measured);
  const bar = el("i", { class: "scale" });
  bar.style.background = `linear-gradient(to right, ${colours.join(", ")})`;
  const ends = [`inside the reference −${limit.toFixed(1)}`, bar, `${limit.toFixed(1)} mm outside`];
  viewer.bar.replaceChildren(...(measured ? ends : ["No reference surface to measure from"]));
}

/**
 * Sets the panes out in rows, as large as the element has room.
 * @param {Surfaces} viewer
 */
export function layout(viewer) {
  const width = viewer.root.clientWidth;
  if (!viewer.header || !width) return;
  const count = viewer.panes.length;
  const columns = columnsFor(width, count);
  viewer.paneWidth = Math.floor((width - GAP * (columns - 1)) / columns);
  viewer.paneHeight = Math.round(clamp(viewer.paneWidth * 1.1, 180, viewer.options.height));
  viewer.panes.forEach((pane, i) => {
    pane.left = (i % columns) * (viewer.paneWidth + GAP);
    pane.top = Math.floor(i / columns) * (viewer.paneHeight + GAP);
    const { left, top } = pane;
    const [width, height] = [`${viewer.paneWidth}px`, `${viewer.paneHeight}px`];
    Object.assign(pane.frame.style, { left: `${left}px`, top: `${top}px`, width, height });
  });
  const height = Math.ceil(count / columns) * (viewer.paneHeight + GAP) - GAP;
  viewer.size = [width, height];
  viewer.stage.style.height = `${height}px`;
  viewer.invalidate();
}

/**
 * Places the letters on a ring around the middle, and the mark of the crosshair.
 * @param {Surfaces} viewer
 * @param {Scene} pane
 * @param {DOMMatrix} matrix
 */
export function placeWords(viewer, pane, matrix) {
  const { target } = viewer.camera;
  const { distance, back } = viewOf(viewer);
  const reach = 0.92 * distance * Math.tan(FIELD / 2) * Math.min(1, viewer.paneWidth / viewer.paneHeight);
  pane.letters.forEach((pair, axis) => pair.forEach((letter, end) => {
    const sign = end ? 1 : -1;
    const tip = target.map((value, i) => value + (i === axis ? sign * reach : 0));
    put(viewer, letter, matrix, tip, Math.abs(back[axis]) > 0.85); // it would stand in the middle
  }));
  placeMark(viewer, pane, matrix);
}

/**
 * Places the mark of the crosshair; it is hidden where the slices show another case.
 * @param {Surfaces} viewer
 * @param {Scene} pane
 * @param {DOMMatrix} matrix
 */
export function placeMark(viewer, { mark }, matrix) {
  const known = viewer.cross?.case === viewer.header.case;
  put(viewer, mark, matrix, known ? viewer.cross.mm : viewer.camera.target, !known);
}

/**
 * Places an element of a pane at RAS+ mm.
 * @param {Surfaces} viewer
 * @param {HTMLElement} word
 * @param {DOMMatrix} matrix
 * @param {number[]} mm
 * @param {boolean} hidden
 */
function put(viewer, word, matrix, mm, hidden) {
  const [x, y] = project(viewer, matrix, mm);
  Object.assign(word.style, { left: `${x}px`, top: `${y}px`, opacity: hidden ? 0 : 1 });
}

/**
 * Has the toolbar show the camera, and tells a screen reader of it.
 * @param {Surfaces} viewer
 */
export function syncControls(viewer) {
  const { yaw, pitch, zoom, outline, case: name } = viewer.camera;
  const camera = [yaw, pitch, zoom].map((value) => value.toFixed(2)).join(" ");
  if (viewer.options.link) writeAddress({ camera: cameraText(viewer.camera) });
  Object.assign(viewer.root.dataset, { ready: "true", case: name, camera, sharp: String(!viewer.moving) });
  viewer.root.querySelector('[data-do="outline"]').setAttribute("aria-pressed", String(outline));
  viewer.root.querySelector('[data-do="outline"]').disabled = !viewer.outline.faces.length; // a field of view has none
  const names = viewer.panes.map(({ mesh }) => mesh.name).join(", ");
  const angles = `${yaw.toFixed(0)}° around, ${pitch.toFixed(0)}° above`;
  viewer.stage.setAttribute("aria-label", `Surfaces of ${names}, ${angles}; the arrow keys turn them`);
}
