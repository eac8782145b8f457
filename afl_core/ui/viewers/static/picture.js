// The shown slice at voxel resolution.

import { cut, greyRamp, paintBytes } from "./voxels.js";

/** @typedef {import("./viewer.js").Viewer} Viewer */

/**
 * Picture, mask codes and maps of the shown slice at voxel resolution; every pane draws from these.
 * @param {Viewer} viewer
 */
export function gather(viewer) {
  const { plane, header: { shape } } = viewer;
  const { cross, low, high } = viewer.place;
  const slice = `${viewer.ui.axis} ${cross[plane.n]}`; // adopt() forgets it when the voxels change
  const grey = `${slice} ${low} ${high}`;
  if (slice !== viewer.sliceKey) {
    viewer.greyKey = null;
    viewer.paths.clear();
    const cutHere = (volume) => cut(volume, shape, plane, cross[plane.n]);
    [viewer.codes, viewer.grey] = [cutHere(viewer.masks), cutHere(viewer.image)];
    viewer.maps.forEach((map, i) => paintBytes(viewer.mapSlices[i], cutHere(map), shape[plane.h], viewer.mapRamps[i]));
  }
  if (grey !== viewer.greyKey) paintBytes(viewer.slice, viewer.grey, shape[plane.h], greyRamp(low, high, viewer.levels));
  [viewer.sliceKey, viewer.greyKey] = [slice, grey];
}
