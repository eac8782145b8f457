// Voxels and what is computed from them; no page element here.
//
// Voxel axes 0, 1, 2 point to the patient's right, anterior and superior; index 0 is the left, posterior, inferior end.
// Masks arrive as one byte a voxel: bit 0 the reference, bit 1 and up the sources.

import { clamp } from "./common.js";

/** @typedef {import("./types").Plane} Plane */
/** @typedef {import("./types").Test} Test */

// Voxel axes that run across the screen, up it, and through the slices.
export const PLANES = { axial: { h: 0, v: 1, n: 2 }, coronal: { h: 0, v: 2, n: 1 }, sagittal: { h: 1, v: 2, n: 0 } };

/**
 * Marked voxels in each slice, along each axis, for each lane: what the strip under the panes shows.
 * @param {Uint8Array} masks
 * @param {number[]} shape
 * @param {{test: Uint8Array}[]} lanes
 * @returns {Uint32Array[][]}
 */
export function profile(masks, [nx, ny, nz], lanes) {
  const counts = [nx, ny, nz].map((n) => lanes.map(() => new Uint32Array(n)));
  const add = (k) => {
    const x = k % nx, row = (k - x) / nx, y = row % ny, z = (row - y) / ny;
    for (let lane = 0; lane < lanes.length; lane++) {
      if (lanes[lane].test[masks[k]] === 0) continue;
      counts[0][lane][x]++;
      counts[1][lane][y]++;
      counts[2][lane][z]++;
    }
  };
  const fours = new Uint32Array(masks.buffer, 0, masks.length >> 2); // most of a grid is outside of every mask
  for (let four = 0; four < fours.length; four++) {
    if (fours[four] === 0) continue;
    for (let k = 4 * four; k < 4 * four + 4; k++) if (masks[k] !== 0) add(k);
  }
  for (let k = 4 * fours.length; k < masks.length; k++) if (masks[k] !== 0) add(k);
  return counts;
}

/**
 * Whether each of the 256 mask codes passes a test.
 * @type {(holds: Test) => Uint8Array}
 */
export const test = (holds) => Uint8Array.from({ length: 256 }, (_, code) => (holds(code) ? 1 : 0));

/**
 * Closed outlines of the voxels whose code passes, along voxel edges: nearest neighbour at any zoom. Edges run with the
 * mask on their right; `out` holds, for each corner, the directions (+x, +y, -x, -y) in which one leaves.
 * @param {Uint8Array} codes
 * @param {number} width
 * @param {number} height
 * @param {Uint8Array} passes As `test` gives it.
 * @returns {Path2D}
 */
export function trace(codes, width, height, passes) {
  const path = new Path2D();
  const stride = width + 1;
  const out = new Uint8Array(stride * (height + 1));
  for (let j = 0, k = 0; j < height; j++) {
    for (let i = 0; i < width; i++, k++) {
      if (passes[codes[k]] === 0) continue;
      const corner = j * stride + i;
      if (j === 0 || passes[codes[k - width]] === 0) out[corner] |= 1;
      if (i === width - 1 || passes[codes[k + 1]] === 0) out[corner + 1] |= 2;
      if (j === height - 1 || passes[codes[k + width]] === 0) out[corner + stride + 1] |= 4;
      if (i === 0 || passes[codes[k - 1]] === 0) out[corner + stride] |= 8;
    }
  }
  const step = [1, stride, -1, -stride];
  for (let start = 0; start < out.length; start++) {
    while (out[start] !== 0) {
      let corner = start;
      let direction = 31 - Math.clz32(out[start] & -out[start]);
      path.moveTo(corner % stride, Math.floor(corner / stride));
      while (out[corner] & (1 << direction)) {
        out[corner] &= ~(1 << direction);
        corner += step[direction];
        // Right first: where two voxels touch by a corner only, each keeps an outline of its own.
        const turn = [1, 0, 3].map((t) => (direction + t) % 4).find((d) => out[corner] & (1 << d));
        if (turn === direction) continue;
        path.lineTo(corner % stride, Math.floor(corner / stride));
        if (turn !== undefined) direction = turn;
      }
      path.closePath();
    }
  }
  return path;
}

/**
 * One slice of a volume, row by row.
 * @param {Uint8Array} volume
 * @param {number[]} shape
 * @param {Plane} plane
 * @param {number} index
 * @returns {Uint8Array}
 */
export function cut(volume, shape, { h, v, n }, index) {
  const strides = [1, shape[0], shape[0] * shape[1]];
  const slice = new Uint8Array(shape[h] * shape[v]);
  for (let j = 0, k = 0; j < shape[v]; j++) {
    let from = index * strides[n] + j * strides[v];
    for (let i = 0; i < shape[h]; i++, k++, from += strides[h]) slice[k] = volume[from];
  }
  return slice;
}

/**
 * Paints a slice of bytes onto a canvas of one pixel a voxel.
 * @param {OffscreenCanvas} canvas
 * @param {Uint8Array} slice
 * @param {number} width
 * @param {Uint32Array} ramp A 0xAABBGGRR word for each byte.
 */
export function paintBytes(canvas, slice, width, ramp) {
  Object.assign(canvas, { width, height: slice.length / width });
  const pixels = new ImageData(width, slice.length / width);
  const words = new Uint32Array(pixels.data.buffer);
  for (let k = 0; k < words.length; k++) words[k] = ramp[slice[k]];
  canvas.getContext("2d").putImageData(pixels, 0, 0);
}

/**
 * Grey of every byte in a window from low to high.
 * @param {number} low
 * @param {number} high
 * @param {Float64Array} levels What the bytes stand for.
 * @returns {Uint32Array}
 */
export function greyRamp(low, high, levels) {
  const grey = (level) => Math.round(clamp((level - low) / (high - low), 0, 1) * 255);
  return Uint32Array.from(levels, (level) => 0xff000000 + 0x010101 * grey(level));
}

/**
 * What every byte stands for, between knots of byte and intensity; 0 to 255 is the window of the header.
 * @param {import("./types").Header} header
 * @returns {Float64Array}
 */
export function byteLevels({ knots, window: [low, high] }) {
  const shown = (intensity) => ((intensity - low) / (high - low)) * 255;
  return Float64Array.from({ length: 256 }, (_, byte) => {
    const next = Math.max(1, knots.findIndex(([at]) => at >= byte));
    const [[a, from], [b, to]] = [knots[next - 1], knots[next]];
    return shown(from + ((to - from) * (byte - a)) / (b - a));
  });
}

/**
 * Colours "#rrggbb", evenly spaced from byte 0 to 255; the lowest quarter fades in, so that the image shows through, or
 * the middle does.
 * @param {string[]} colours
 * @param {boolean} centred
 * @returns {Uint32Array}
 */
export function colourRamp(colours, centred = false) {
  const stops = colours.map((text) => [1, 3, 5].map((i) => parseInt(text.slice(i, i + 2), 16)));
  return Uint32Array.from({ length: 256 }, (_, value) => {
    const at = (value / 255) * (stops.length - 1);
    const first = Math.min(Math.floor(at), stops.length - 2);
    const [r, g, b] = stops[first].map((from, i) => Math.round(from + (stops[first + 1][i] - from) * (at - first)));
    const shown = centred ? Math.abs(value - 127.5) * 4 : value * 4;
    return ((Math.min(255, shown) << 24) | (b << 16) | (g << 8) | r) >>> 0;
  });
}
