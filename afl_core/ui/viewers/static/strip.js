// The strip below the panes: a row of bars for each lane, one bar a slice.

import { LETTERS } from "./common.js";
import { LANE } from "./geometry.js";
import { test } from "./voxels.js";

/** @typedef {import("./viewer.js").Viewer} Viewer */
/** @typedef {import("./types").Lane} Lane */

/**
 * The rows of the strip: the reference, each source's wrong voxels (all its voxels, if there is no reference), and where
 * the sources differ from each other.
 * @param {Viewer} viewer
 * @returns {Lane[]}
 */
export function buildLanes({ sources, reference }) {
  const lanes = sources.map(({ bit, name, colour }) => {
    const has = (code) => (code >> bit) & 1;
    const wrong = { label: `${name} errors`, test: test((code) => has(code) !== (code & 1)) };
    return { source: true, colour, ...(reference ? wrong : { label: name, test: test(has) }) };
  });
  const all = sources.reduce((bits, { bit }) => bits | (1 << bit), 0);
  const differ = { label: "Disagreement", source: true, test: test((code) => code & all && (code & all) !== all) };
  const referenceLane = { label: "Reference", colour: reference?.colour, test: test((code) => code & 1) };
  return [...(reference ? [referenceLane] : []), ...lanes, ...(sources.length > 1 ? [differ] : [])];
}

/**
 * Draws the strip. The bars are redrawn only when they change; the marker moves with every slice.
 * @param {Viewer} viewer
 */
export function drawStrip(viewer) {
  const { plane: { n }, ratio, root: { clientWidth: width }, strip, lanes, header, place, axis } = viewer;
  const [length, mark, height] = [header.shape[n], place.cross[n], LANE];
  const gutter = Math.min(150, width * 0.25);
  const step = (width - gutter - 18) / length;
  viewer.stripScale = { gutter, step };
  viewer.marker.style.transform = `translateX(${gutter + mark * step - 1}px)`;
  viewer.marker.style.width = `${Math.max(step + 1, 4)}px`;
  const value = `${axis} slice ${mark} of 0 to ${length - 1}`;
  const aria = { label: `${axis} slice`, valuemax: length - 1, valuenow: mark, valuetext: value };
  for (const [name, text] of Object.entries(aria)) viewer.track.setAttribute(`aria-${name}`, text);
  const key = JSON.stringify([viewer.digest, axis, width, ratio]);
  if (key === viewer.stripKey) return;
  viewer.stripKey = key;
  const total = Math.max(lanes.length, 1) * height + 4;
  strip.style.height = `${total}px`;
  Object.assign(strip, { width: Math.round(width * ratio), height: Math.round(total * ratio) });
  const style = getComputedStyle(viewer.root);
  const ctx = strip.getContext("2d");
  ctx.scale(ratio, ratio);
  Object.assign(ctx, { fillStyle: style.color, font: `11px ${style.fontFamily}`, textBaseline: "middle" });
  const counts = viewer.counts[n];
  lanes.forEach((lane, i) => {
    // One scale for all sources: their bars are there to be compared.
    const peers = counts.filter((_, j) => lanes[j].source === lane.source);
    const most = Math.max(1, ...peers.map((bars) => Math.max(...bars)));
    drawLane(ctx, { colour: style.color, ...lane }, counts[i], { most, top: 2 + i * height, height, gutter, step });
  });
  ctx.font = `600 ${ctx.font}`;
  ctx.fillText(LETTERS[n][0], gutter - 13, total / 2 + 1);
  ctx.fillText(LETTERS[n][1], gutter + step * length + 6, total / 2 + 1);
}

/**
 * One lane of the strip: its name in the gutter, then a bar for each slice, as tall as the square root of the voxels in
 * it (a small lesion's slices stay visible beside a large one's).
 * @param {CanvasRenderingContext2D} ctx
 * @param {Lane} lane
 * @param {Uint32Array} counts Voxels in each slice.
 * @param {import("./types").LaneBox} box Most voxels of a bar, and where the lane lies in CSS pixels.
 */
function drawLane(ctx, { label, colour }, counts, { most, top, height, gutter, step }) {
  ctx.save();
  ctx.beginPath();
  ctx.rect(0, top, gutter - 18, height);
  ctx.clip();
  ctx.fillText(label, 1, top + height / 2 + 1);
  ctx.restore();
  ctx.globalAlpha = 0.2;
  ctx.fillRect(gutter, top + height - 1, step * counts.length, 1);
  ctx.globalAlpha = 1;
  ctx.save();
  ctx.fillStyle = colour;
  counts.forEach((count, slice) => {
    const tall = count && Math.max(2, (height - 3) * Math.sqrt(count / most));
    ctx.fillRect(gutter + slice * step, top + height - tall, Math.max(step - 0.4, 0.7), tall);
  });
  ctx.restore();
}
