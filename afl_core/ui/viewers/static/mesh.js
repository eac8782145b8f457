// Triangle meshes: read from bytes, given normals, drawn with WebGL 2, and met by a ray.

import { fetchPart } from "./common.js";

/** @typedef {import("./types").Mesh} Mesh */
/** @typedef {import("./types").MeshHeader} MeshHeader */

/**
 * Difference of two vectors.
 * @type {(a: ArrayLike<number>, b: ArrayLike<number>) => number[]}
 */
export const subtract = (a, b) => [a[0] - b[0], a[1] - b[1], a[2] - b[2]];

/**
 * Cross product of two vectors.
 * @type {(a: ArrayLike<number>, b: ArrayLike<number>) => number[]}
 */
export const cross = (a, b) => [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];

/**
 * Inner product of two vectors.
 * @type {(a: ArrayLike<number>, b: ArrayLike<number>) => number}
 */
export const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];

/**
 * Red, green and blue from 0 to 1 of a colour "#rrggbb".
 * @type {(text: string) => number[]}
 */
export const rgb = (text) => [1, 3, 5].map((i) => parseInt(text.slice(i, i + 2), 16) / 255);

/**
 * The meshes that a header lists, one behind the other in a part.
 * @param {MeshHeader[]} listed
 * @param {string} part Its digest.
 * @returns {Promise<Mesh[]>}
 */
export async function readMeshes(listed, part) {
  const buffer = await fetchPart(part);
  let at = 0;
  const take = (Kind, length) => new Kind(buffer, at, length, (at += 4 * length));
  return listed.map((mesh) => {
    const points = take(Float32Array, 3 * mesh.points);
    const faces = take(Uint32Array, 3 * mesh.faces);
    const distances = take(Float32Array, mesh.measured ? mesh.points : 0);
    return { ...mesh, points, faces, distances, normals: vertexNormals(points, faces) };
  });
}

/**
 * Mean of the faces' normals around each point, weighted by their area; the shader makes them unit vectors.
 * @param {Float32Array} points
 * @param {Uint32Array} faces
 * @returns {Float32Array}
 */
function vertexNormals(points, faces) {
  const normals = new Float32Array(points.length);
  for (let f = 0; f < faces.length; f += 3) {
    const [i, j, k] = [3 * faces[f], 3 * faces[f + 1], 3 * faces[f + 2]];
    const [ux, uy, uz] = [points[j] - points[i], points[j + 1] - points[i + 1], points[j + 2] - points[i + 2]];
    const [vx, vy, vz] = [points[k] - points[i], points[k + 1] - points[i + 1], points[k + 2] - points[i + 2]];
    const [nx, ny, nz] = [uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx];
    for (const corner of [i, j, k]) {
      normals[corner] += nx;
      normals[corner + 1] += ny;
      normals[corner + 2] += nz;
    }
  }
  return normals; // the shader makes them unit vectors
}

/**
 * Middle of the box around meshes and the radius of the ball around that box; null without a point.
 * @param {Mesh[]} meshes
 * @returns {{centre: number[], radius: number} | null}
 */
export function boundingBall(meshes) {
  const low = [Infinity, Infinity, Infinity];
  const high = [-Infinity, -Infinity, -Infinity];
  for (const { points } of meshes) {
    for (let i = 0; i < points.length; i++) {
      low[i % 3] = Math.min(low[i % 3], points[i]);
      high[i % 3] = Math.max(high[i % 3], points[i]);
    }
  }
  if (low[0] > high[0]) return null;
  const half = subtract(high, low).map((side) => side / 2);
  return { centre: low.map((value, i) => value + half[i]), radius: Math.hypot(...half) };
}

/**
 * The first point at which a ray meets a mesh, or null (Möller and Trumbore).
 * @param {Mesh} mesh
 * @param {number[]} origin
 * @param {number[]} ray
 * @returns {import("./types").Hit | null} With the distance to the reference, where it is known.
 */
export function meet({ points, faces, distances }, origin, ray) {
  const corner = (index) => points.subarray(3 * index, 3 * index + 3);
  let best = null;
  for (let f = 0; f < faces.length; f += 3) {
    const a = corner(faces[f]);
    const [ab, ac] = [subtract(corner(faces[f + 1]), a), subtract(corner(faces[f + 2]), a)];
    const p = cross(ray, ac);
    const scale = 1 / dot(ab, p);
    const t = subtract(origin, a);
    const u = dot(t, p) * scale;
    if (!(u >= 0 && u <= 1)) continue;
    const q = cross(t, ab);
    const v = dot(ray, q) * scale;
    const along = dot(ac, q) * scale;
    if (v < 0 || u + v > 1 || along < 0 || (best && along >= best.along)) continue;
    best = { along, f, weights: [1 - u - v, u, v] };
  }
  if (!best) return null;
  const at = (values) => best.weights.reduce((sum, weight, i) => sum + weight * values[faces[best.f + i]], 0);
  return { mm: origin.map((o, i) => o + best.along * ray[i]), distance: distances.length ? at(distances) : null };
}

// ---- WebGL

const VERTEX = `#version 300 es
  uniform mat4 camera;
  in vec3 point; in vec3 normal; in float distance_mm;
  out vec3 world; out vec3 outward; out float mm;
  void main() {
    world = point; outward = normal; mm = distance_mm;
    gl_Position = camera * vec4(point, 1.0);
  }`;

// Light comes from the eye. The outline is clear where one looks straight at it and denser towards its rim.
const FRAGMENT = `#version 300 es
  precision highp float;
  uniform vec3 eye; uniform vec3 plain; uniform vec3 scale[3]; uniform float limit; uniform bool ghost; uniform vec4 chosen;
  in vec3 world; in vec3 outward; in float mm;
  out vec4 colour;
  void main() {
    float facing = abs(dot(normalize(outward), normalize(eye - world)));
    if (ghost) { colour = vec4(plain, 0.03 + 0.22 * pow(1.0 - facing, 3.0)); return; }
    float t = clamp(mm / max(limit, 1e-6), -1.0, 1.0);
    vec3 measured = t < 0.0 ? mix(scale[1], scale[0], -t) : mix(scale[1], scale[2], t);
    vec3 surface = limit > 0.0 ? measured : plain;
    bool other = chosen.w > 0.0 && distance(world, chosen.xyz) > chosen.w;
    colour = vec4((other ? vec3(0.35) : surface) * (0.25 + 0.75 * facing), 1.0);
  }`;

/**
 * Compiles the shaders.
 * @param {WebGL2RenderingContext} gl
 * @returns {WebGLProgram}
 */
export function buildProgram(gl) {
  const program = gl.createProgram();
  /** @type {[number, string][]} */
  const sources = [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]];
  for (const [kind, source] of sources) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  const linked = gl.getProgramParameter(program, gl.LINK_STATUS) || gl.isContextLost(); // lost: built anew later
  if (!linked) throw new Error(gl.getProgramInfoLog(program));
  return program;
}

/**
 * Puts a mesh on the graphics card.
 * @param {WebGL2RenderingContext} gl
 * @param {WebGLProgram} program
 * @param {Mesh} mesh
 * @returns {import("./types").Upload}
 */
export function upload(gl, program, { points, normals, distances, faces, measured }) {
  const array = gl.createVertexArray();
  gl.bindVertexArray(array);
  const fill = (target, data) => {
    const buffer = gl.createBuffer();
    gl.bindBuffer(target, buffer);
    gl.bufferData(target, data, gl.STATIC_DRAW);
    return buffer;
  };
  const attribute = (name, size, data) => {
    const buffer = fill(gl.ARRAY_BUFFER, data);
    const place = gl.getAttribLocation(program, name);
    gl.enableVertexAttribArray(place);
    gl.vertexAttribPointer(place, size, gl.FLOAT, false, 0, 0);
    return buffer;
  };
  const buffers = [attribute("point", 3, points), attribute("normal", 3, normals)];
  if (measured) buffers.push(attribute("distance_mm", 1, distances));
  buffers.push(fill(gl.ELEMENT_ARRAY_BUFFER, faces));
  gl.bindVertexArray(null);
  return { array, count: faces.length, buffers };
}
