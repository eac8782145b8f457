// Lesions, false positives and disagreements: the list of places that a reader steps through.

// Goes to a finding of the list, or to a voxel that is none.
export function goFinding(viewer, index, voxel = viewer.findings[index]?.voxel) {
  if (!voxel) return;
  viewer.goTo(voxel);
  viewer.place.chosen = index >= 0;
  viewer.place.finding = index;
  viewer.hover = null; // the read-out tells of the place that was gone to
  // A lesion outside the zoomed view would not be seen.
  if (viewer.place.zoom > 1) viewer.place.centre = voxel.map((i) => i + 0.5);
  viewer.invalidate();
}

// The finding at a voxel, -1 if there is none. Two may have one centre: then the one that fits, or was gone to last.
export function findingAt(viewer, voxel, fits = (_, index) => index === viewer.place.finding) {
  const here = viewer.findings.flatMap((spot, index) => (String(spot.voxel) === String(voxel) ? [index] : []));
  return here.find((index) => fits(viewer.findings[index], index)) ?? here[0] ?? -1;
}

export function stepFinding(viewer, step, kind) {
  const count = viewer.findings.filter((spot) => spot.kind === kind).length;
  if (!count) return;
  const first = viewer.findings.findIndex((spot) => spot.kind === kind);
  const found = findingAt(viewer, viewer.place.cross);
  const here = viewer.findings[found]?.kind === kind ? found : -1;
  const next = here < 0 ? (step > 0 ? 0 : count - 1) : (here - first + step + count) % count;
  goFinding(viewer, first + next);
}
