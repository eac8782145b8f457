// The toolbar and the keys of the slices: every handler ends in one of the actions (actions.js).

import { moveBy, resetView, setPreset, setSwitch, toggleHelp, zoomBy } from "./actions.js";
import { goFinding, stepFinding, toggleNear } from "./findings.js";
import { removeRuler, toggleRuler } from "./ruler.js";
import { savePicture } from "./snapshot.js";

/** @typedef {import("./viewer.js").Viewer} Viewer */

/**
 * Listens to the toolbar and to the keys.
 * @param {Viewer} viewer
 */
export function listenToControls(viewer) {
  const { root, opacity, finding, preset, pair, subject, sequence, more } = viewer;
  const actions = {
    reset: () => resetView(viewer), help: () => toggleHelp(viewer), near: () => toggleNear(viewer),
    ruler: () => toggleRuler(viewer), picture: () => savePicture(viewer),
  };
  root.addEventListener("click", (event) => {
    const { set, value, flip, step, by, do: action } = event.target.closest("button")?.dataset ?? {};
    if (!viewer.place) return;
    if (set) setSwitch(viewer, set, value);
    if (flip) setSwitch(viewer, flip, !viewer.ui[flip]);
    if (step) stepFinding(viewer, Number(by), step);
    actions[action]?.();
  });
  opacity.addEventListener("input", () => setSwitch(viewer, "opacity", Number(opacity.value)));
  viewer.cut.addEventListener("input", ({ target }) => setSwitch(viewer, "cut", Number(target.value)));
  viewer.cut.addEventListener("dblclick", () => setSwitch(viewer, "cut", 0.5));
  finding.addEventListener("change", () => goFinding(viewer, Number(finding.value)));
  pair.addEventListener("change", () => setSwitch(viewer, "pair", Number(pair.value)));
  subject.addEventListener("change", () => setSwitch(viewer, "subject", subject.value));
  sequence.addEventListener("change", () => viewer.choose(sequence.value));
  more.addEventListener("focusout", ({ relatedTarget }) => {
    if (!more.contains(/** @type {Node | null} */ (relatedTarget))) more.open = false;
  });
  preset.addEventListener("change", () => setPreset(viewer, Number(preset.value)));
  root.addEventListener("keydown", (event) => {
    const typing = event.target.matches("input, select");
    if (!viewer.place || typing || event.ctrlKey || event.metaKey || event.altKey || !press(viewer, event)) return;
    event.preventDefault();
    event.stopPropagation(); // Streamlit has keys of its own
  });
}

/**
 * Closes the help or the menu, else takes the ruler away, else gives keys and wheel back to the page.
 * @param {Viewer} viewer
 */
function escape(viewer) {
  if (!viewer.help.hidden) toggleHelp(viewer, false);
  else if (viewer.more.open) viewer.more.open = false;
  else if (!removeRuler(viewer)) viewer.root.getRootNode().activeElement?.blur();
}

/**
 * Does what a key says, and tells whether it means something here. A key that a button carries is that button's click.
 * @param {Viewer} viewer
 * @param {KeyboardEvent} event
 * @returns {boolean}
 */
function press(viewer, { key, shiftKey }) {
  if (viewer.options.spare?.includes(key)) return false;
  const { h, v } = viewer.plane;
  const right = viewer.flipped() ? -1 : 1; // the voxel step that goes right on the screen
  const other = (name, one, two) => () => setSwitch(viewer, name, viewer.ui[name] === one ? two : one);
  /** @typedef {Record<string, [number, number?]>} Moves Steps, and the axis where it is not that of the slices. */
  /** @type {Moves} */
  const scroll = { ArrowRight: [1], ArrowLeft: [-1], ArrowUp: [1], ArrowDown: [-1], PageUp: [10], PageDown: [-10] };
  /** @type {Moves} */
  const within = { ArrowRight: [right, h], ArrowLeft: [-right, h], ArrowUp: [1, v], ArrowDown: [-1, v] };
  /** @type {Moves} */
  const moves = { ...scroll, ...(shiftKey ? within : {}), Home: [-1e6], End: [1e6] };
  const move = moves[key];
  const actions = {
    b: other("mode", "labels", "masks"), e: other("mode", "errors", "masks"), a: other("mode", "agreement", "masks"),
    t: other("mode", "together", "masks"), f: other("style", "fill", "outline"),
    N: () => stepFinding(viewer, 1, "false_positive"), P: () => stepFinding(viewer, -1, "false_positive"),
    "+": () => zoomBy(viewer, 1.25), "-": () => zoomBy(viewer, 0.8), Escape: () => escape(viewer),
  };
  const knob = [...viewer.root.querySelectorAll("[data-key]")].find((button) => button.dataset.key === key);
  const action = move ? () => moveBy(viewer, ...move) : actions[key] ?? (knob && (() => knob.click()));
  action?.();
  return Boolean(action);
}
