// A case, taken into the slice viewer: its voxels are waited for, and everything that follows from them is computed.

import { home } from "./actions.js";
import { followAddress } from "./address.js";
import { fetchPart, remember } from "./common.js";
import { findingAt, goFinding } from "./findings.js";
import { layout } from "./geometry.js";
import { buildPanes } from "./panes.js";
import { buildLanes } from "./strip.js";
import { byteLevels, colourRamp, profile } from "./voxels.js";
import { fillMenus } from "./words.js";

/** @typedef {import("./viewer.js").Viewer} Viewer */

// Kept by this module, so that a rerun, a remount or a visit to another page changes nothing the reader set.
const places = new Map(); // viewer key and case -> crosshair, zoom, window

/**
 * Shows a case once its voxels have arrived, unless another one was chosen meanwhile.
 * @param {Viewer} viewer
 * @param {import("./types").Header} header
 */
export async function loadCase(viewer, header) {
  viewer.root.dataset.ready = "false";
  const { digest, volumes } = viewer;
  try {
    const names = Object.keys(header.parts);
    viewer.volumes = new Map(Object.values(header.parts).map((part) => [part, volumes.get(part) ?? fetchPart(part)]));
    const buffers = await Promise.all(names.map((name) => viewer.volumes.get(header.parts[name])));
    if (digest !== viewer.digest) return;
    const of = (name) => (name in header.parts ? new Uint8Array(buffers[names.indexOf(name)]) : undefined);
    const maps = header.maps.map((_, i) => of(`map ${i}`));
    adopt(viewer, header, { image: of("image"), masks: of("masks"), maps, labels: of("labels") });
  } catch (error) {
    if (digest !== viewer.digest) return;
    viewer.volumes = new Map(); // what failed is asked for anew
    viewer.readout.replaceChildren(`This case cannot be shown: ${error.message}. Reload the page.`);
    viewer.root.dataset.ready = "error";
  }
}

/**
 * Takes a case whose voxels are there.
 * @param {Viewer} viewer
 * @param {import("./types").Header} header
 * @param {import("./types").Voxels} voxels
 */
function adopt(viewer, header, voxels) {
  Object.assign(viewer, { header, ...voxels, hover: null, cuts: new Map() });
  const [a, b, c] = header.affine;
  viewer.world = new DOMMatrix([0, 1, 2, 3].flatMap((i) => [a[i], b[i], c[i], i === 3 ? 1 : 0]));
  viewer.levels = byteLevels(header);
  viewer.mapRamps = header.maps.map(({ colours, centred }) => colourRamp(colours, centred));
  viewer.place = placeOf(viewer.options.group || viewer.options.key, header);
  viewer.reference = header.masks.find((mask) => mask.bit === 0);
  viewer.sources = header.masks.filter((mask) => mask.bit > 0);
  const { sources, reference } = viewer;
  viewer.pairs = reference ? sources.flatMap((one, i) => sources.slice(i + 1).map((other) => [one, other])) : [];
  const kinds = { lesion: header.lesions, false_positive: header.false_positives, disagreement: header.disagreements };
  viewer.findings = Object.entries(kinds).flatMap(([kind, spots]) => spots.map((spot) => ({ ...spot, kind })));
  viewer.lanes = buildLanes(viewer);
  viewer.counts = profile(viewer.masks, header.shape, viewer.lanes);
  fillMenus(viewer);
  followAddress(viewer);
  followFocus(viewer);
  buildPanes(viewer); // the address may say which planes
  layout(viewer);
}

/**
 * Where the reader was in a case; a grid of another shape starts anew, another image with its own window.
 * @param {string} key Of the viewer, or of its group.
 * @param {import("./types").Header} header
 * @returns {import("./types").Place}
 */
function placeOf(key, header) {
  const id = JSON.stringify([key, header.case]); // the key of a group is all of its viewers'
  const [shape, picture] = [String(header.shape), header.parts.image];
  if (places.get(id)?.shape !== shape) places.delete(id);
  const place = remember(places, id, () => ({ shape, cross: [...header.start], ...home(header) }));
  if (place.picture !== picture) Object.assign(place, { picture, low: 0, high: 255 });
  return place;
}

/**
 * Goes to the focus that Python gave. It acts once; afterwards the reader is free to move on.
 * @param {Viewer} viewer
 */
export function followFocus(viewer) {
  const { focus, of } = viewer.options;
  const wanted = JSON.stringify([focus, of]);
  if (!viewer.place || wanted === viewer.place.focus) return;
  viewer.place.focus = wanted;
  if (!focus) return;
  const bit = viewer.sources.find(({ name }) => name === of)?.bit;
  goFinding(viewer, findingAt(viewer, focus, (spot) => spot.bit === bit), focus);
  viewer.root.scrollIntoView({ block: "nearest", behavior: "smooth" }); // what was clicked may lie far below
}
