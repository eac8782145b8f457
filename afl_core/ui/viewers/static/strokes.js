// Strokes on a canvas: hatching, regions and the crosshair.

/**
 * Diagonal lines, rising ("/"), falling ("\\") or both ("x"), so that regions differ in more than their colour.
 * @param {CanvasRenderingContext2D} ctx
 * @param {string} colour
 * @param {string} kind
 * @param {number} ratio Device pixels of a CSS pixel.
 * @returns {CanvasPattern | null}
 */
export function hatch(ctx, colour, kind, ratio) {
  const size = Math.round(6 * ratio);
  const tile = new OffscreenCanvas(size, size);
  const pen = tile.getContext("2d");
  pen.fillStyle = "rgb(0 0 0 / 50%)"; // a dark ground: yellow lines would vanish on bright tissue
  pen.fillRect(0, 0, size, size);
  pen.strokeStyle = colour;
  pen.lineWidth = 1.4 * ratio;
  for (const shift of [-size, 0, size]) {
    if (kind !== "\\") {
      pen.moveTo(shift - 1, size + 1);
      pen.lineTo(shift + size + 1, -1);
    }
    if (kind !== "/") {
      pen.moveTo(shift - 1, -1);
      pen.lineTo(shift + size + 1, size + 1);
    }
  }
  pen.stroke();
  return ctx.createPattern(tile, "repeat");
}

/**
 * Fills and outlines a region; lengths of the look are in CSS pixels.
 * @param {CanvasRenderingContext2D} ctx
 * @param {Path2D} path
 * @param {import("./types").Look} look
 * @param {number} opacity
 * @param {number} ratio Device pixels of a CSS pixel.
 */
export function drawRegion(ctx, path, look, opacity, ratio) {
  if (look.fill) {
    ctx.globalAlpha = Math.min(1, look.pattern ? 2.5 * opacity : opacity); // lines cover a quarter of what a fill does
    ctx.fillStyle = look.pattern ?? look.colour;
    ctx.fill(path, "evenodd");
    ctx.globalAlpha = 1;
  }
  ctx.setLineDash((look.dash ?? []).map((length) => length * ratio));
  ctx.lineWidth = look.width * ratio;
  ctx.strokeStyle = look.colour;
  ctx.stroke(path);
  ctx.setLineDash([]);
}

/**
 * Draws the crosshair, open in the middle: it must not hide what it points at.
 * @param {CanvasRenderingContext2D} ctx
 * @param {number} x
 * @param {number} y
 * @param {number} ratio Device pixels of a CSS pixel.
 */
export function drawCross(ctx, x, y, ratio) {
  const { width, height } = ctx.canvas;
  const gap = 9 * ratio;
  ctx.beginPath();
  for (const sign of [-1, 1]) {
    ctx.moveTo(x + sign * gap, y);
    ctx.lineTo(x + sign * width * 2, y);
    ctx.moveTo(x, y + sign * gap);
    ctx.lineTo(x, y + sign * height * 2);
  }
  ctx.strokeStyle = "rgba(255, 255, 255, 0.5)";
  ctx.lineWidth = Math.max(1, Math.floor(ratio));
  ctx.stroke();
}
