// All surfaces, painted with WebGL: one viewport a pane.

import { matrixOf, viewOf } from "./camera.js";
import { placeWords, syncControls } from "./frames.js";
import { rgb } from "./mesh.js";

/** @typedef {import("./surfaces.js").Surfaces} Surfaces */

/**
 * Draws all surfaces, one viewport a pane, with their letters and marks.
 * @param {Surfaces} viewer
 */
export function paint(viewer) {
  const { gl, program, canvas } = viewer;
  const density = window.devicePixelRatio || 1;
  const ratio = viewer.moving ? 0.75 * density : Math.max(density, 2);
  const [width, height] = viewer.size.map((side) => Math.round(side * ratio));
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  gl.useProgram(program);
  gl.enable(gl.SCISSOR_TEST);
  gl.enable(gl.DEPTH_TEST);
  const place = (name) => gl.getUniformLocation(program, name);
  const matrix = matrixOf(viewer);
  gl.uniformMatrix4fv(place("camera"), false, matrix.toFloat32Array());
  gl.uniform3fv(place("eye"), viewOf(viewer).eye);
  gl.uniform3fv(place("scale"), viewer.header.colours.flatMap(rgb));
  const { mm = [0, 0, 0], radius_mm: radius = 0 } = viewer.cross?.case === viewer.header.case ? viewer.cross : {};
  gl.uniform4fv(place("chosen"), [...mm, radius && 1.7 * radius + 6]); // a ball around the chosen finding
  viewer.panes.forEach((pane, i) => {
    const box = [pane.left, viewer.size[1] - pane.top - viewer.paneHeight, viewer.paneWidth, viewer.paneHeight];
    const [left, bottom, wide, high] = box.map((value) => Math.round(value * ratio));
    gl.viewport(left, bottom, wide, high);
    gl.scissor(left, bottom, wide, high);
    gl.clearColor(0.06, 0.07, 0.08, 1);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    drawMesh(viewer, pane.mesh, viewer.uploads[i + 1], false);
    if (viewer.camera.outline) drawMesh(viewer, viewer.outline, viewer.uploads[0], true);
    placeWords(viewer, pane, matrix);
  });
  syncControls(viewer);
}

/**
 * Draws one mesh into the present viewport.
 * @param {Surfaces} viewer
 * @param {import("./types").Mesh} mesh
 * @param {import("./types").Upload} uploaded
 * @param {boolean} ghost Whether one looks through it, as through the outline of the head.
 */
function drawMesh(viewer, { colour, measured }, { array, count }, ghost) {
  const { gl, program } = viewer;
  const place = (name) => gl.getUniformLocation(program, name);
  gl.uniform3fv(place("plain"), rgb(colour));
  gl.uniform1f(place("limit"), measured ? viewer.header.limit_mm : 0);
  gl.uniform1i(place("ghost"), ghost ? 1 : 0);
  (ghost ? gl.enable : gl.disable).call(gl, gl.BLEND);
  gl.blendFunc(gl.SRC_ALPHA, gl.ONE_MINUS_SRC_ALPHA);
  gl.depthMask(!ghost);
  gl.bindVertexArray(array);
  gl.drawElements(gl.TRIANGLES, count, gl.UNSIGNED_INT, 0);
  gl.bindVertexArray(null);
  gl.depthMask(true);
}
