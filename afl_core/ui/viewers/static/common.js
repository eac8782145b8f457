// What the slice viewer and the surface viewer share.

/** Letters at the low and the high end of the voxel axes, which point to the patient's right, anterior and superior. */
export const LETTERS = [["L", "R"], ["P", "A"], ["I", "S"]];
export const MIN_PANE = 190; // CSS pixels; below this the panes wrap
export const GAP = 6;

/**
 * A value, or the end of the range that it lies beyond.
 * @type {(value: number, low: number, high: number) => number}
 */
export const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

/**
 * What a map holds under a key; made and kept where there is nothing.
 * @template K, V
 * @param {{get(key: K): V | undefined, set(key: K, value: V): any}} map A Map or WeakMap.
 * @param {K} key
 * @param {() => V} make
 * @returns {V}
 */
export function remember(map, key, make) {
  return map.get(key) ?? map.set(key, make()).get(key);
}

/**
 * A part of what a viewer draws, which the server gives by its digest; the browser unzips it, and keeps it for another
 * visit.
 * @param {string} digest
 * @returns {Promise<ArrayBuffer>}
 */
export async function fetchPart(digest) {
  const answer = await fetch(new URL(`part/${digest}`, document.baseURI));
  if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
  return answer.arrayBuffer();
}

/**
 * JSON behind its length, which takes four bytes with the lowest first; then the rest.
 * @param {Uint8Array} bytes
 * @returns {{options: any, rest: Uint8Array}}
 */
export function unpack(bytes) {
  const length = new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0, true);
  const text = new TextDecoder().decode(bytes.subarray(4, 4 + length));
  return { options: JSON.parse(text), rest: bytes.subarray(4 + length) };
}

/**
 * An element; strings among the children become text nodes, so a name is never read as HTML.
 * @param {string} tag
 * @param {Object<string, unknown>} [attributes]
 * @param {...(Node | string)} children
 * @returns {any} Of the class that the tag has.
 */
export function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  element.append(...children);
  return element;
}

/**
 * A volume as text: two decimals, and three figures where these show nothing.
 * @param {number} ml
 * @returns {string}
 */
export function millilitres(ml) {
  return `${ml && ml < 0.1 ? ml.toPrecision(2) : ml.toFixed(ml < 10 ? 2 : 1)} ml`;
}

/**
 * How many panes stand in a row: 4 panes in room for 3 go 2 + 2, not 3 + 1.
 * @param {number} width Of all of them, in CSS pixels.
 * @param {number} count
 * @returns {number}
 */
export function columnsFor(width, count) {
  const fit = clamp(Math.floor((width + GAP) / (MIN_PANE + GAP)), 1, count);
  return Math.ceil(count / Math.ceil(count / fit));
}

const ADDRESS_MS = 300; // browsers limit how often an address may change
/** @type {Record<string, string>} */
const waiting = {};
/** @type {ReturnType<typeof setTimeout> | undefined} */
let addressTimer;

/**
 * Has the page's address say what is seen, a moment later; "" takes a name out of it.
 * @param {Record<string, string>} names
 */
export function writeAddress(names) {
  Object.assign(waiting, names);
  clearTimeout(addressTimer);
  addressTimer = setTimeout(() => {
    const url = new URL(location.href);
    for (const [name, value] of Object.entries(waiting)) {
      if (value) url.searchParams.set(name, value);
      else url.searchParams.delete(name);
      delete waiting[name];
    }
    if (url.href !== location.href) history.replaceState(history.state, "", url);
  }, ADDRESS_MS);
}
