// The shown slices at voxel resolution, one of each plane that is on the screen.

import { remember } from "./common.js";
import { axisOf } from "./geometry.js";
import { PLANES, cut, greyRamp, paintBytes } from "./voxels.js";

/** @typedef {import("./viewer.js").Viewer} Viewer */

/**
 * Picture, mask codes and maps of the shown slices at voxel resolution; every pane draws from these.
 * @param {Viewer} viewer
 */
export function gather(viewer) {
  for (const axis of new Set(viewer.panes.map((pane) => axisOf(viewer, pane)))) gatherPlane(viewer, axis);
}

/**
 * The slice of a plane as it was gathered; adopt() forgets it when the voxels change.
 * @param {Viewer} viewer
 * @param {string} axis
 * @returns {import("./types").Cut}
 */
export function cutOf({ cuts, header }, axis) {
  const blank = () => new OffscreenCanvas(1, 1);
  return remember(cuts, axis, () => ({ slice: blank(), maps: header.maps.map(blank), paths: new Map() }));
}

/**
 * Cuts the slice of one plane, or paints it anew where its window alone has changed.
 * @param {Viewer} viewer
 * @param {string} axis
 */
function gatherPlane(viewer, axis) {
  const { header: { shape }, place: { cross, low, high } } = viewer;
  const plane = PLANES[axis];
  const here = cutOf(viewer, axis);
  const at = String(cross[plane.n]);
  const shown = `${at} ${low} ${high}`;
  if (at !== here.at) {
    const cutHere = (volume) => cut(volume, shape, plane, cross[plane.n]);
    here.paths.clear();
    [here.codes, here.grey] = [cutHere(viewer.masks), cutHere(viewer.image)];
    here.labels = viewer.labels && cutHere(viewer.labels);
    here.values = viewer.maps.map(cutHere);
    here.values.forEach((slice, i) => paintBytes(here.maps[i], slice, shape[plane.h], viewer.mapRamps[i]));
  }
  if (shown !== here.shown) paintBytes(here.slice, here.grey, shape[plane.h], greyRamp(low, high, viewer.levels));
  [here.at, here.shown] = [at, shown];
}
