// Mouse, touch and keys over the surfaces: every handler ends in an action of Surfaces (surfaces.js).

import { pick, say, visit } from "./picking.js";

/** @typedef {import("./surfaces.js").Surfaces} Surfaces */

/**
 * Listens to the mouse, fingers and keys over the surfaces.
 * @param {Surfaces} viewer
 */
export function listen(viewer) {
  const { stage, root, pointers } = viewer;
  const actions = {
    front: () => viewer.look("front"), left: () => viewer.look("left"), top: () => viewer.look("top"),
    reset: () => viewer.reset(), help: () => viewer.toggleHelp(),
    outline: () => {
      viewer.camera.outline = !viewer.camera.outline;
      viewer.invalidate();
    },
  };
  const keys = {
    ArrowLeft: () => viewer.turnBy(-10, 0), ArrowRight: () => viewer.turnBy(10, 0),
    ArrowUp: () => viewer.turnBy(0, 10), ArrowDown: () => viewer.turnBy(0, -10),
    "+": () => viewer.zoomBy(1.2), "-": () => viewer.zoomBy(1 / 1.2), Escape: () => viewer.toggleHelp(false),
    1: actions.front, 2: actions.left, 3: actions.top, 0: actions.reset, o: actions.outline, "?": actions.help,
  };
  root.addEventListener("click", ({ target }) => actions[target.closest("button")?.dataset.do]?.());
  root.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !keys[event.key]) return;
    keys[event.key]();
    event.preventDefault();
    event.stopPropagation(); // Streamlit has keys of its own
  });
  stage.addEventListener("wheel", (event) => {
    if (!stage.matches(":focus")) return; // the page scrolls past until the surfaces are clicked
    event.preventDefault();
    viewer.zoomBy(Math.exp(-(event.deltaY * (event.deltaMode ? 33 : 1)) / 500));
  }, { passive: false });
  stage.addEventListener("contextmenu", (event) => event.preventDefault());
  stage.addEventListener("dblclick", () => viewer.reset());
  stage.addEventListener("pointerdown", (event) => {
    stage.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, { x: event.clientX, y: event.clientY, path: 0 });
  });
  stage.addEventListener("pointermove", (event) => {
    const pointer = pointers.get(event.pointerId);
    if (!pointer) return say(viewer, viewer.header ? pick(viewer, event) : null);
    const [dx, dy] = [event.clientX - pointer.x, event.clientY - pointer.y];
    const other = [...pointers.values()].find((p) => p !== pointer);
    if (other) {
      const apart = (p) => Math.max(Math.hypot(p.x - other.x, p.y - other.y), 1);
      viewer.zoomBy(apart({ x: event.clientX, y: event.clientY }) / apart(pointer));
    } else if (event.shiftKey || event.buttons > 1) viewer.shift(dx, dy);
    else viewer.turnBy(0.5 * dx, 0.5 * dy);
    Object.assign(pointer, { x: event.clientX, y: event.clientY, path: pointer.path + Math.abs(dx) + Math.abs(dy) });
  });
  const release = (event) => {
    const pointer = pointers.get(event.pointerId);
    pointers.delete(event.pointerId);
    if (event.type === "pointerup" && pointer?.path < 4 && event.button === 0) visit(viewer, pick(viewer, event));
  };
  stage.addEventListener("pointerup", release);
  stage.addEventListener("pointercancel", release);
  stage.addEventListener("pointerleave", () => say(viewer, null));
}
