// Lesions, false positives and disagreements: the list of places that a reader steps through.

import { around, goTo, whole } from "./actions.js";

/** @typedef {import("./viewer.js").Viewer} Viewer */

/**
 * Goes to a finding of the list, or to a voxel that is none.
 * @param {Viewer} viewer
 * @param {number} index
 * @param {import("./types").Voxel} voxel
 */
export function goFinding(viewer, index, voxel = viewer.findings[index]?.voxel) {
  if (!voxel) return;
  goTo(viewer, voxel);
  viewer.place.chosen = index >= 0;
  viewer.place.finding = index;
  viewer.hover = null; // the read-out tells of the place that was gone to
  // A lesion outside the zoomed view would not be seen.
  if (viewer.place.near) Object.assign(viewer.place, around(viewer.header, viewer.findings[index] ?? { voxel }));
  else if (viewer.place.zoom > 1) viewer.place.centre = voxel.map((i) => i + 0.5);
  viewer.invalidate();
}

/**
 * The finding at a voxel, -1 if there is none. Two may have one centre: then the one that fits, or was gone to last.
 * @param {Viewer} viewer
 * @param {import("./types").Voxel} voxel
 * @param {(spot: import("./types").Finding, index: number) => boolean} fits
 * @returns {number}
 */
export function findingAt(viewer, voxel, fits = (_, index) => index === viewer.place.finding) {
  const here = viewer.findings.flatMap((spot, index) => (String(spot.voxel) === String(voxel) ? [index] : []));
  return here.find((index) => fits(viewer.findings[index], index)) ?? here[0] ?? -1;
}

/**
 * Goes to the next or the previous finding of a kind; behind the last comes the first.
 * @param {Viewer} viewer
 * @param {number} step 1 or -1.
 * @param {string} kind
 */
export function stepFinding(viewer, step, kind) {
  const count = viewer.findings.filter((spot) => spot.kind === kind).length;
  if (!count) return;
  const first = viewer.findings.findIndex((spot) => spot.kind === kind);
  const index = findingAt(viewer, viewer.place.cross);
  const here = viewer.findings[index]?.kind === kind ? index : -1;
  const next = here < 0 ? (step > 0 ? 0 : count - 1) : (here - first + step + count) % count;
  goFinding(viewer, first + next);
}

/**
 * Shows the finding at the crosshair, or what lies there, large; or the whole again.
 * @param {Viewer} viewer
 */
export function toggleNear(viewer) {
  const { place, header } = viewer;
  const spot = viewer.findings[findingAt(viewer, place.cross)] ?? { voxel: place.cross };
  Object.assign(place, place.near ? whole(header) : around(header, spot));
  viewer.invalidate();
}
