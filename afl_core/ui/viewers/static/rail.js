// The rail of cases beside the viewer. Its Python side, afl_core/ui/viewers/rail.py, describes what it receives.

import { clamp, el, unpack } from "./common.js";

/** @typedef {import("./types").Rail} Rail */
/** @typedef {import("./types").Row} Row */

const SVG = "http://www.w3.org/2000/svg";
const shown = new WeakMap(); // mount point -> the rows that are drawn, as text

/**
 * Draws the rows, and marks the chosen one.
 * @param {HTMLElement} host
 * @param {Rail} rail
 * @param {(name: string, value: unknown) => void} tell
 */
function draw(host, rail, tell) {
  /** @type {(selector: string) => any} */
  const find = (selector) => host.querySelector(selector);
  const [root, rows, fold] = [".afl-rail", ".rows", ".fold"].map(find);
  root.dataset.folded = String(rail.folded);
  rows.hidden = rail.folded;
  fold.textContent = rail.folded ? "›" : `‹ ${rail.title}`;
  fold.title = rail.folded ? "Show the cases" : "Fold the cases away";
  fold.setAttribute("aria-label", fold.title);
  fold.setAttribute("aria-expanded", String(!rail.folded));
  fold.onclick = () => tell("fold", true);
  const { chosen, ...rest } = rail;
  const text = JSON.stringify(rest);
  if (shown.get(rows) !== text) {
    shown.set(rows, text);
    const more = (way) => (way ? [moreButton(way)] : []);
    rows.replaceChildren(...more(rail.before), ...rail.rows.map((row) => rowOf(row, rail.colours)), ...more(rail.after));
  }
  rows.onclick = (event) => {
    const { case: id } = event.target.closest("button")?.dataset ?? {};
    if (!id) return;
    mark(rows, id);
    tell("pick", id);
  };
  rows.onkeydown = (event) => step(rows, event);
  mark(rows, chosen);
}

/**
 * The button of a case.
 * @param {Row} row
 * @param {string[]} colours
 * @returns {HTMLElement}
 */
function rowOf(row, colours) {
  const picture = row.picture ? el("img", { src: row.picture, alt: "", loading: "lazy", width: 62, height: 62 }) : el("i", { class: "none" });
  picture.onerror = () => picture.replaceWith(el("i", { class: "none" }));
  const name = el("b", {}, el("bdi", {}, row.case)); // a long name is cut at its start: its end tells it apart
  const told = el("small", {}, row.told, " · ", row.size);
  return el("button", { type: "button", "data-case": row.case, title: `${row.case}: ${row.told}, ${row.size}` },
    picture, name, bar(row.values, colours), told);
}

/**
 * The values on one scale: a line from the first to the second, a dot each.
 * @param {(number | null)[]} values 0 to 1.
 * @param {string[]} colours
 * @returns {SVGElement}
 */
function bar(values, colours) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("aria-hidden", "true");
  const place = (value) => `${(4 + 92 * clamp(value, 0, 1)).toFixed(1)}%`;
  const add = (tag, attributes) => {
    const shape = svg.appendChild(document.createElementNS(SVG, tag));
    for (const [name, value] of Object.entries(attributes)) shape.setAttribute(name, value);
  };
  const line = (from, to, width, opacity) =>
    add("line", { x1: place(from), x2: place(to), y1: 6, y2: 6, stroke: "currentColor", "stroke-width": width, opacity });
  line(0, 1, 1, 0.3);
  const there = values.slice(0, 2);
  if (there.length === 2 && there.every((value) => value !== null)) line(there[0], there[1], 3, 0.7);
  values.forEach((value, i) => value !== null && add("circle", { cx: place(value), cy: 6, r: 4, fill: colours[i] }));
  return svg;
}

/**
 * The way to the rows before or after these.
 * @param {[string, string]} way Case to choose, and words.
 * @returns {HTMLElement}
 */
function moreButton([id, words]) {
  return el("button", { type: "button", class: "more", "data-case": id }, words);
}

/**
 * Marks the chosen case and brings it into sight, within the rail alone.
 * @param {HTMLElement} rows
 * @param {string} chosen
 */
function mark(rows, chosen) {
  for (const button of /** @type {NodeListOf<HTMLElement>} */ (rows.querySelectorAll("button:not(.more)"))) {
    const here = button.dataset.case === chosen;
    button.setAttribute("aria-current", String(here));
    if (here) reveal(rows, button);
  }
}

/**
 * Scrolls the rail as far as a row needs to be in sight.
 * @param {HTMLElement} rows
 * @param {HTMLElement} button
 */
function reveal(rows, button) {
  const [outer, inner] = [rows.getBoundingClientRect(), button.getBoundingClientRect()];
  rows.scrollTop += Math.min(0, inner.top - outer.top) + Math.max(0, inner.bottom - outer.bottom);
  rows.scrollLeft += Math.min(0, inner.left - outer.left) + Math.max(0, inner.right - outer.right);
}

/**
 * Moves the focus to the row before or after.
 * @param {HTMLElement} rows
 * @param {KeyboardEvent} event
 */
function step(rows, event) {
  const by = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
  const all = [...rows.children];
  const here = all.indexOf(/** @type {Element} */ (event.target));
  if (!by || here < 0) return;
  event.preventDefault();
  const next = /** @type {HTMLElement} */ (all[clamp(here + by, 0, all.length - 1)]);
  next.focus({ preventScroll: true });
  reveal(rows, next);
}

/**
 * Streamlit calls this on every change of data or theme.
 * @param {import("./types").Call} call
 */
export default function ({ data, parentElement, setTriggerValue }) {
  draw(parentElement, unpack(data).options, setTriggerValue);
}
