// Tumour surfaces side by side on one WebGL canvas, turned by one camera: no dependency, no build step, no network.
// Its Python side, afl_core/ui/viewers/surfaces.py, describes the bytes it receives. How it talks with the slices is said
// in viewer.js.

import { FIELD, matrixOf, project, viewOf } from "./camera.js";
import { GAP, LETTERS, clamp, columnsFor, el, remember, unpack } from "./common.js";
import { boundingBall, buildProgram, meet, readMeshes, subtract, upload } from "./mesh.js";
import { listen } from "./gestures.js";
import { paint } from "./scene.js";

const VIEWS = { front: [0, 0], left: [-90, 0], top: [0, 89.9] }; // yaw and pitch of the eye, in degrees
const START = { yaw: -35, pitch: 20, zoom: 1, outline: true };

// Kept by this module, so that a rerun, a remount or a visit to another page leaves the camera where it is.
const cameras = new Map(); // key -> {yaw, pitch, zoom, outline, case, target}
const viewers = new WeakMap(); // mount point -> Surfaces

class Surfaces {
  constructor(host) {
    const find = (selector) => host.querySelector(selector);
    [this.root, this.stage, this.canvas] = [find(".afl-surfaces"), find(".stage"), find("canvas")];
    [this.readout, this.bar, this.help] = [find(".readout"), find(".bar"), find(".help")];
    this.gl = this.canvas.getContext("webgl2", { antialias: false }); // a picture at rest has more pixels instead
    [this.turn, this.uploads, this.panes, this.pointers] = [0, [], [], new Map()];
    if (!this.gl) return;
    this.program = buildProgram(this.gl);
    this.observer = new ResizeObserver(() => this.layout());
    this.observer.observe(this.root);
    this.onCross = ({ detail }) => this.follow(detail);
    window.addEventListener("afl-cross", this.onCross);
    listen(this);
  }

  destroy() {
    if (!this.gl) return;
    this.observer.disconnect();
    window.removeEventListener("afl-cross", this.onCross);
    cancelAnimationFrame(this.frame);
    clearTimeout(this.rest);
    this.gl.getExtension("WEBGL_lose_context")?.loseContext();
  }

  // ---- data

  receive(options, bytes) {
    this.camera = remember(cameras, options.key, () => ({ ...START }));
    const { options: header, rest: zipped } = unpack(bytes);
    const digest = JSON.stringify(header) + zipped.length;
    if (digest === this.digest) return this.layout();
    this.digest = digest;
    this.load(header, zipped);
  }

  async load(header, zipped) {
    const { digest } = this;
    try {
      const meshes = await readMeshes([header.outline, ...header.scenes], zipped);
      if (digest === this.digest) this.adopt(header, meshes);
    } catch (error) {
      this.readout.replaceChildren(`The surfaces cannot be shown: ${error.message}. Reload the page.`);
      this.root.dataset.ready = "error";
    }
  }

  adopt(header, [outline, ...scenes]) {
    const { gl } = this;
    for (const { array, buffers } of this.uploads) {
      gl.deleteVertexArray(array);
      buffers.forEach((buffer) => gl.deleteBuffer(buffer));
    }
    Object.assign(this, { header, scenes, outline });
    this.uploads = [outline, ...scenes].map((mesh) => upload(gl, this.program, mesh));
    this.ball = boundingBall(scenes) ?? boundingBall([outline]) ?? { centre: [0, 0, 0], radius: 50 };
    if (this.camera.case !== header.case) Object.assign(this.camera, { case: header.case, target: this.ball.centre });
    this.buildPanes();
    this.follow(window.aflCross ?? {});
    this.layout();
  }

  buildPanes() {
    this.panes = this.scenes.map((mesh) => {
      const swatch = el("i", { class: "swatch" });
      swatch.style.background = mesh.colour;
      const none = mesh.name === "Reference" ? "no tumour" : "no tumour predicted";
      const title = el("header", {}, swatch, el("b", { title: mesh.name }, mesh.name), mesh.faces.length ? "" : none);
      const letters = LETTERS.map((pair) => pair.map((letter) => el("span", { class: "letter" }, letter)));
      const mark = el("span", { class: "mark" });
      const frame = el("div", { class: "scene", "data-scene": mesh.name }, title, ...letters.flat(), mark);
      return { mesh, frame, letters, mark };
    });
    this.stage.replaceChildren(this.canvas, ...this.panes.map((pane) => pane.frame));
    const { limit_mm: limit, colours } = this.header;
    const measured = this.scenes.some((mesh) => mesh.measured);
    const bar = el("i", { class: "scale" });
    bar.style.background = `linear-gradient(to right, ${colours.join(", ")})`;
    const ends = [`inside the reference −${limit.toFixed(1)}`, bar, `${limit.toFixed(1)} mm outside`];
    this.bar.replaceChildren(...(measured ? ends : ["No reference surface to measure from"]));
  }

  // Where the crosshair of the slices is; a finding that was chosen there comes to the middle. A crosshair that only
  // moves must not wait for the surfaces to be drawn again: its mark is an element above them.
  follow(cross) {
    if (!this.header || cross.case !== this.header.case) return;
    const before = this.cross ?? {};
    this.cross = cross;
    if (cross.radius_mm > 0 && String(cross.mm) !== String(before.mm)) {
      const zoom = clamp(this.ball.radius / (3 * cross.radius_mm + 8), 1, 12);
      Object.assign(this.camera, { target: cross.mm, zoom });
      this.invalidate();
    } else if (cross.radius_mm !== before.radius_mm) this.invalidate();
    else if (!this.frame && this.paneWidth) this.panes.forEach((pane) => this.placeMark(pane, matrixOf(this)));
  }

  // ---- camera

  turnBy(yaw, pitch) {
    this.camera.yaw = (this.camera.yaw + yaw) % 360;
    this.camera.pitch = clamp(this.camera.pitch + pitch, -89.9, 89.9);
    this.disturb();
  }

  zoomBy(factor) {
    this.camera.zoom = clamp(this.camera.zoom * factor, 0.2, 12);
    this.disturb();
  }

  // Move what is looked at by CSS pixels.
  shift(dx, dy) {
    const { right, up, distance } = viewOf(this);
    const mm = (2 * distance * Math.tan(FIELD / 2)) / this.paneHeight;
    this.camera.target = this.camera.target.map((value, i) => value - (dx * right[i] - dy * up[i]) * mm);
    this.disturb();
  }

  // A picture that moves may be coarse: without a graphics card every pixel costs time.
  disturb() {
    this.moving = true;
    clearTimeout(this.rest);
    this.rest = setTimeout(() => {
      this.moving = false;
      this.invalidate();
    }, 250);
    this.invalidate();
  }

  look(name) {
    [this.camera.yaw, this.camera.pitch] = VIEWS[name];
    this.invalidate();
  }

  reset() {
    Object.assign(this.camera, START, { target: this.ball.centre });
    this.invalidate();
  }

  // ---- drawing

  layout() {
    const width = this.root.clientWidth;
    if (!this.header || !width) return;
    const count = this.panes.length;
    const columns = columnsFor(width, count);
    this.paneWidth = Math.floor((width - GAP * (columns - 1)) / columns);
    this.paneHeight = Math.round(clamp(this.paneWidth * 0.85, 180, 380));
    this.panes.forEach((pane, i) => {
      pane.left = (i % columns) * (this.paneWidth + GAP);
      pane.top = Math.floor(i / columns) * (this.paneHeight + GAP);
      const { left, top } = pane;
      Object.assign(pane.frame.style, { left: `${left}px`, top: `${top}px`, width: `${this.paneWidth}px`, height: `${this.paneHeight}px` });
    });
    const height = Math.ceil(count / columns) * (this.paneHeight + GAP) - GAP;
    this.size = [width, height];
    this.stage.style.height = `${height}px`;
    this.invalidate();
  }

  invalidate() {
    this.frame ||= requestAnimationFrame(() => {
      this.frame = 0;
      if (this.header && this.size) paint(this); // nothing has a size before the element is shown
    });
  }

  // Letters on a ring around the middle, and the crosshair's place.
  placeWords(pane, matrix) {
    const { target } = this.camera;
    const { distance } = viewOf(this);
    const reach = 0.92 * distance * Math.tan(FIELD / 2) * Math.min(1, this.paneWidth / this.paneHeight);
    const { back } = viewOf(this);
    pane.letters.forEach((pair, axis) => pair.forEach((letter, end) => {
      const sign = end ? 1 : -1;
      const tip = target.map((value, i) => value + (i === axis ? sign * reach : 0));
      this.put(letter, matrix, tip, Math.abs(back[axis]) > 0.85); // it would stand in the middle
    }));
    this.placeMark(pane, matrix);
  }

  placeMark({ mark }, matrix) {
    const known = this.cross?.case === this.header.case;
    this.put(mark, matrix, known ? this.cross.mm : this.camera.target, !known);
  }

  put(word, matrix, mm, hidden) {
    const [x, y] = project(this, matrix, mm);
    Object.assign(word.style, { left: `${x}px`, top: `${y}px`, opacity: hidden ? 0 : 1 });
  }

  syncControls() {
    const { yaw, pitch, zoom, outline, case: name } = this.camera;
    const camera = [yaw, pitch, zoom].map((value) => value.toFixed(2)).join(" ");
    Object.assign(this.root.dataset, { ready: "true", case: name, camera, sharp: String(!this.moving) });
    this.root.querySelector('[data-do="outline"]').setAttribute("aria-pressed", String(outline));
    const label = `Surfaces of ${this.panes.map(({ mesh }) => mesh.name).join(", ")}, ${yaw.toFixed(0)}° around, ${pitch.toFixed(0)}° above`;
    this.stage.setAttribute("aria-label", `${label}; the arrow keys turn them`);
  }

  // ---- pointing

  // The surface point under the pointer: {name, mm, distance}, or null.
  pick({ clientX, clientY }) {
    const frame = this.stage.getBoundingClientRect();
    const pane = this.paneAt(clientX - frame.left, clientY - frame.top);
    if (!pane) return null;
    const x = ((clientX - frame.left - pane.left) / this.paneWidth) * 2 - 1;
    const y = 1 - ((clientY - frame.top - pane.top) / this.paneHeight) * 2;
    const { eye } = viewOf(this);
    const far = matrixOf(this).inverse().transformPoint(new DOMPoint(x, y, 0.5));
    const ray = subtract([far.x / far.w, far.y / far.w, far.z / far.w], eye);
    const hit = meet(pane.mesh, eye, ray);
    return hit && { ...hit, name: pane.mesh.name };
  }

  paneAt(x, y) {
    const inside = ({ left, top }) => x >= left && x < left + this.paneWidth && y >= top && y < top + this.paneHeight;
    return this.panes.find(inside);
  }

  say(hit) {
    const side = (mm) => `${Math.abs(mm).toFixed(1)} mm ${mm < 0 ? "inside" : "outside"} the reference`;
    const fields = hit ? [hit.name, `RAS ${hit.mm.map((mm) => mm.toFixed(1)).join(", ")} mm`] : [];
    if (hit?.distance != null) fields.push(side(hit.distance));
    this.readout.replaceChildren(...fields.map((field) => el("span", {}, field)));
  }

  // A click on a surface brings the slices there.
  visit(hit) {
    if (hit) window.dispatchEvent(new CustomEvent("afl-goto", { detail: { case: this.header.case, mm: hit.mm } }));
  }

  toggleHelp(show = this.help.hidden) {
    this.help.hidden = !show;
    this.root.querySelector('[data-do="help"]').setAttribute("aria-expanded", String(show));
  }
}

// As in viewer.js: of calls that were overtaken, only the newest may take the viewer down.
export default function ({ data, parentElement, setStateValue }) {
  if (!viewers.get(parentElement)?.root.isConnected) viewers.set(parentElement, new Surfaces(parentElement));
  const viewer = viewers.get(parentElement);
  const turn = ++viewer.turn;
  if (viewer.gl) {
    const { options, rest } = unpack(data);
    viewer.receive(options, rest);
  } else {
    viewer.root.hidden = true;
    setStateValue("webgl", false); // Python shows a still picture
  }
  return () => {
    if (viewer.turn !== turn) return;
    viewer.destroy();
    viewers.delete(parentElement);
  };
}
