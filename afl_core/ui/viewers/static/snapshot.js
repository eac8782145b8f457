// The panes as one picture, sharper than the screen, for a slide or a message.

import { el } from "./common.js";
import { drawPane } from "./panes.js";
import { legendKinds, legendScales, swatch } from "./words.js";

/** @typedef {import("./viewer.js").Viewer} Viewer */

const SHARPER = 2; // pixels of the picture a pixel of the screen
const EDGE = 8; // free ground around all, in CSS pixels
const LINE = 24; // height of a line of text below the panes, in CSS pixels

/**
 * Saves the picture of the panes under the name of the case, the plane and the slice.
 * @param {Viewer} viewer
 */
export async function savePicture(viewer) {
  const { header, ui, place, plane, options: { outlines = "" } } = viewer;
  const slices = ui.axis === "three" ? place.cross.join("-") : place.cross[plane.n];
  const name = [caseName(header), outlines.split(" · ")[0], ui.axis, slices].filter((part) => part !== "").join("_").replace(/[^\w.-]+/g, "_");
  const blob = await new Promise((resolve) => drawView(viewer).toBlob(resolve));
  const url = URL.createObjectURL(blob);
  el("a", { href: url, download: `${name}.png` }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/**
 * The name of a case; one that has none is known by a digest, which tells a reader nothing.
 * @type {(header: import("./types").Header) => string}
 */
const caseName = ({ case: name }) => (/^[0-9a-f]{64}$/.test(name) ? "case" : name);

/**
 * All panes with titles, letters and legend, on the ground of the theme.
 * @param {Viewer} viewer
 * @returns {HTMLCanvasElement}
 */
export function drawView(viewer) {
  const { grid, root, panes, legend } = viewer;
  const scale = SHARPER * viewer.ratio;
  const from = grid.getBoundingClientRect();
  const right = Math.max(...panes.map(({ frame }) => frame.getBoundingClientRect().right));
  const words = [...legend.children].reduce((sum, { offsetWidth }) => sum + offsetWidth + 16, 0); // in one line
  const [width, height] = [Math.max(right - from.left, words) + 2 * EDGE, from.height + 2 * LINE + 2 * EDGE];
  const picture = el("canvas", { width: Math.round(width * scale), height: Math.round(height * scale) });
  const ctx = picture.getContext("2d");
  const style = getComputedStyle(root);
  ctx.fillStyle = style.getPropertyValue("--st-background-color") || "#fff";
  ctx.fillRect(0, 0, picture.width, picture.height);
  ctx.translate(Math.round(EDGE * scale), Math.round(EDGE * scale));
  const boxOf = (element) => {
    const { left, top, width: w, height: h } = element.getBoundingClientRect();
    return { left: (left - from.left) * scale, top: (top - from.top) * scale, width: w * scale, height: h * scale };
  };
  const write = (text, x, y, { colour = style.color, weight = 400, size = 13, align = "left" } = {}) => {
    Object.assign(ctx, { fillStyle: colour, textAlign: align, textBaseline: "middle" });
    ctx.font = `${weight} ${size * scale}px ${style.fontFamily}`;
    ctx.fillText(text, x, y);
    return ctx.measureText(text).width;
  };
  for (const pane of panes) addPane(viewer, ctx, pane, { scale, boxOf, write });
  addLegend(viewer, ctx, (from.height + LINE / 2) * scale, { scale, write });
  const { header, place, ui, axis, plane } = viewer;
  const at = ui.axis === "three" ? `voxel ${place.cross.join(", ")} (RAS order)` : `${axis} slice ${place.cross[plane.n]}`;
  write([caseName(header), header.sequence, at].filter(Boolean).join(" · "), 0, (from.height + 1.5 * LINE) * scale);
  return picture;
}

/**
 * Adds a pane: its title, its picture drawn anew in more pixels, and the letters at its edges.
 * @param {Viewer} viewer
 * @param {CanvasRenderingContext2D} ctx
 * @param {import("./types").Pane} pane
 * @param {{scale: number, boxOf: Function, write: Function}} tools
 */
function addPane(viewer, ctx, pane, { scale, boxOf, write }) {
  const { frame, letters, shows } = pane;
  const canvas = el("canvas", { width: pane.canvas.width * SHARPER, height: pane.canvas.height * SHARPER });
  const before = viewer.ratio;
  try {
    viewer.ratio = scale;
    drawPane(viewer, { ...pane, canvas, ctx: canvas.getContext("2d", { alpha: false }), patterns: new Map() });
  } finally {
    viewer.ratio = before;
  }
  const { left, top } = boxOf(pane.canvas);
  ctx.drawImage(canvas, Math.round(left), Math.round(top));
  const title = boxOf(frame.querySelector("header"));
  const middle = title.top + title.height / 2;
  const coloured = !frame.querySelector(".swatch").hidden;
  if (coloured) {
    ctx.fillStyle = shows.colour;
    ctx.fillRect(title.left, middle - 5 * scale, 10 * scale, 10 * scale);
  }
  const [name, volume] = ["b", "span"].map((tag) => frame.querySelector(`header ${tag}`).textContent);
  write(name, title.left + (coloured ? 16 * scale : 0), middle, { weight: 600 });
  write(volume, title.left + title.width, middle, { align: "right" });
  ctx.save();
  Object.assign(ctx, { shadowColor: "#000", shadowBlur: 3 * scale });
  for (const letter of letters) {
    const { left: x, top: y, width, height } = boxOf(letter);
    write(letter.textContent, x + width / 2, y + height / 2, { colour: "#fff", weight: 600, size: 12, align: "center" });
  }
  ctx.restore();
}

/**
 * Adds the legend as one line.
 * @param {Viewer} viewer
 * @param {CanvasRenderingContext2D} ctx
 * @param {number} y Middle of the line.
 * @param {{scale: number, write: Function}} tools
 */
function addLegend(viewer, ctx, y, { scale, write }) {
  let x = 0;
  for (const kind of legendKinds(viewer)) {
    const key = swatch(kind, scale);
    ctx.drawImage(key, x, y - key.height / 2);
    x += key.width + 5 * scale;
    x += write(kind.text, x, y) + 14 * scale;
  }
  for (const { label, limits: [low, high], colours } of legendScales(viewer)) {
    x += write(`${label}: ${low.toPrecision(3)}`, x, y) + 5 * scale;
    const ramp = ctx.createLinearGradient(x, 0, x + 90 * scale, 0);
    colours.forEach((colour, i) => ramp.addColorStop(i / (colours.length - 1), colour));
    ctx.fillStyle = ramp;
    ctx.fillRect(x, y - 6 * scale, 90 * scale, 12 * scale);
    x += 95 * scale;
    x += write(high.toPrecision(3), x, y) + 14 * scale;
  }
}
