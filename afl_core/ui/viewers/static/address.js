// Where the crosshair is, told to the surfaces and to the page's address, and read from it.

import { MAX_ZOOM, MIN_ZOOM, goTo, home } from "./actions.js";
import { writeAddress } from "./common.js";
import { findingAt } from "./findings.js";
import { toMm } from "./geometry.js";
import { PLANES } from "./voxels.js";

/** @typedef {import("./viewer.js").Viewer} Viewer */

const VIEW = /^\d+(\.\d+)?(_\d+(\.\d+)?){3}$/; // as viewOf() writes it
const MODES = ["masks", "errors", "labels", "agreement", "together"]; // the first one needs no word in the address
const linked = new Set(); // viewer keys that have followed the address

/**
 * Goes where the address of a fresh page says; from then on the address follows.
 * @param {Viewer} viewer
 */
export function followAddress(viewer) {
  const { key, link, focus, of } = viewer.options;
  if (!link || linked.has(key)) return;
  linked.add(key);
  const query = new URLSearchParams(location.search);
  if (MODES.includes(query.get("mode"))) viewer.ui.mode = query.get("mode");
  viewer.ui.subject = query.get("subject") ?? ""; // of a name that is not there, the first is shown
  const [axis, ...voxel] = (query.get("at") ?? "").split("-");
  const known = voxel.length === 3 && voxel.every((index) => /^\d+$/.test(index)) && (axis === "three" || axis in PLANES);
  if (!known || (query.get("case") ?? viewer.header.case) !== viewer.header.case) return;
  viewer.ui.axis = axis;
  viewer.place.focus = JSON.stringify([focus, of]); // the address was written after it
  const view = query.get("zoom") ?? "";
  const [zoom, ...centre] = view.split("_").map(Number);
  const within = centre.every((index, side) => index <= viewer.header.shape[side]);
  if (VIEW.test(view) && within && zoom >= MIN_ZOOM && zoom <= MAX_ZOOM) Object.assign(viewer.place, { zoom, centre, near: false });
  goTo(viewer, voxel.map(Number));
}

/**
 * Tells the surfaces and the address where the crosshair is.
 * @param {Viewer} viewer
 */
export function announce(viewer) {
  const { header, place, options, ui } = viewer;
  const at = [ui.axis, ...place.cross].join("-");
  const view = viewOf(place);
  const zoom = view === viewOf(home(header)) ? "" : view;
  const mode = ui.mode === MODES[0] ? "" : ui.mode;
  const subject = ui.axis === "three" ? ui.subject : "";
  const told = JSON.stringify([header.case, at, place.chosen, zoom, mode, subject]);
  if (told === viewer.told) return;
  viewer.told = told;
  const radius_mm = place.chosen ? (viewer.findings[findingAt(viewer, place.cross)]?.radius_mm ?? 0) : 0; // or a peer's finding
  window.aflCross = { case: header.case, mm: toMm(viewer, place.cross), radius_mm };
  window.dispatchEvent(new CustomEvent("afl-cross", { detail: window.aflCross }));
  if (options.link) writeAddress({ at, zoom, mode, subject });
}

/**
 * What of a case is in sight, as the address has it.
 * @param {import("./types").View} view
 * @returns {string}
 */
function viewOf({ zoom, centre }) {
  return [zoom.toFixed(2), ...centre.map((index) => index.toFixed(1))].join("_");
}
