// The camera that turns all surfaces: where it stands, and what it makes of a place.

import { cross, dot } from "./mesh.js";

/** @typedef {import("./surfaces.js").Surfaces} Surfaces */

export const FIELD = (25 * Math.PI) / 180; // of view, up and down

export const MIN_ZOOM = 0.2;
export const MAX_ZOOM = 12;
const CAMERA = /^-?\d+(\.\d+)?_-?\d+(\.\d+)?_\d+(\.\d+)?$/; // as the address has it
export const START = { yaw: -35, pitch: 20, zoom: 1, outline: true };

/**
 * The camera that the address of a fresh page names (`camera=YAW_PITCH_ZOOM`, in degrees).
 * @returns {{yaw?: number, pitch?: number, zoom?: number}}
 */
export function linkedCamera() {
  const text = new URLSearchParams(location.search).get("camera") ?? "";
  const [yaw, pitch, zoom] = text.split("_").map(Number);
  const known = CAMERA.test(text) && Math.abs(pitch) < 90 && zoom >= MIN_ZOOM && zoom <= MAX_ZOOM;
  return known ? { yaw: yaw % 360, pitch, zoom } : {};
}

/**
 * The camera as the address has it; "" for the first one.
 * @param {{yaw: number, pitch: number, zoom: number}} camera
 * @returns {string}
 */
export function cameraText(camera) {
  const numbers = ({ yaw, pitch, zoom }) => [yaw, pitch, zoom].map((value) => value.toFixed(2)).join("_");
  return numbers(camera) === numbers(START) ? "" : numbers(camera);
}

/**
 * Eye, directions and distance in mm; from the front the patient's right is on the left.
 * @param {Surfaces} viewer
 * @returns {{right: number[], up: number[], back: number[], distance: number, eye: number[]}} `back` points from the
 * target to the eye.
 */
export function viewOf(viewer) {
  const { yaw, pitch, zoom, target } = viewer.camera;
  const [y, p] = [yaw, pitch].map((degrees) => (degrees * Math.PI) / 180);
  const back = [Math.sin(y) * Math.cos(p), Math.cos(y) * Math.cos(p), Math.sin(p)]; // from the target to the eye
  const right = [-Math.cos(y), Math.sin(y), 0];
  const up = cross(back, right);
  const distance = (1.15 * Math.max(viewer.ball.radius, 15)) / Math.sin(FIELD / 2) / zoom;
  return { right, up, back, distance, eye: target.map((value, i) => value + distance * back[i]) };
}

/**
 * The matrix from RAS+ mm to clip coordinates.
 * @param {Surfaces} viewer
 * @returns {DOMMatrix}
 */
export function matrixOf(viewer) {
  const { right, up, back, eye, distance } = viewOf(viewer);
  const axes = [right, up, back];
  const world = new DOMMatrix([
    ...[0, 1, 2].flatMap((i) => [...axes.map((axis) => axis[i]), 0]), ...axes.map((axis) => -dot(axis, eye)), 1,
  ]);
  const [near, far] = [Math.max(distance - 400, distance / 50), distance + 400];
  const f = 1 / Math.tan(FIELD / 2);
  const depth = 1 / (near - far);
  const aspect = viewer.paneWidth / viewer.paneHeight;
  return new DOMMatrix([f / aspect, 0, 0, 0, 0, f, 0, 0, 0, 0, (near + far) * depth, -1, 0, 0, 2 * near * far * depth, 0])
    .multiply(world);
}

/**
 * Where a place is in a pane, in CSS pixels from its left and upper edge.
 * @param {Surfaces} viewer
 * @param {DOMMatrix} matrix As `matrixOf` gives it.
 * @param {number[]} mm
 * @returns {[number, number]}
 */
export function project(viewer, matrix, mm) {
  const { x, y, w } = matrix.transformPoint(new DOMPoint(...mm));
  return [((x / w + 1) / 2) * viewer.paneWidth, ((1 - y / w) / 2) * viewer.paneHeight];
}
