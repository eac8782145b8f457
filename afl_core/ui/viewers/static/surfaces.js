// Tumour surfaces side by side on one WebGL canvas, turned by one camera: no dependency, no build step, no network.
// Its Python side, afl_core/ui/viewers/surfaces.py, describes the bytes it receives. How it talks with the slices is said
// in viewer.js.

import { FIELD, MAX_ZOOM, MIN_ZOOM, START, linkedCamera, matrixOf, viewOf } from "./camera.js";
import { clamp, remember, unpack } from "./common.js";
import { buildFrames, layout, placeMark } from "./frames.js";
import { listen } from "./gestures.js";
import { boundingBall, buildProgram, readMeshes, upload } from "./mesh.js";
import { paint } from "./scene.js";

/** @typedef {import("./types").Mesh} Mesh */
/** @typedef {import("./types").SurfacesHeader} SurfacesHeader */

const VIEWS = { front: [0, 0], left: [-90, 0], top: [0, 89.9] }; // yaw and pitch of the eye, in degrees

// Kept by this module, so that a rerun, a remount or a visit to another page leaves the camera where it is.
const cameras = new Map(); // key -> {yaw, pitch, zoom, outline, case, target}
const viewers = new WeakMap(); // mount point -> Surfaces

/** The surfaces of one case, and the camera that turns them. */
export class Surfaces {
  /** @type {import("./types").Options} */ options;
  /** @type {SurfacesHeader} */ header;
  /** @type {import("./types").Camera} */ camera;
  /** @type {Mesh[]} One a pane. */ scenes;
  /** @type {Mesh} */ outline;
  /** @type {import("./types").Upload[]} The outline, then one a scene. */ uploads = [];
  /** @type {import("./types").Scene[]} */ panes = [];
  /** @type {Map<number, {x: number, y: number, path: number}>} */ pointers = new Map();
  /** @type {import("./types").Cross | undefined} */ cross;
  /** @type {{centre: number[], radius: number}} Around everything, in mm. */ ball;
  /** @type {number[]} Width and height of the stage in CSS pixels. */ size;
  /** @type {number} */ paneWidth;
  /** @type {number} */ paneHeight;
  turn = 0; // calls by Streamlit

  /**
   * Takes over the fixed elements of a mount point.
   * @param {HTMLElement} host
   */
  constructor(host) {
    /** @type {(selector: string) => any} */
    const find = (selector) => host.querySelector(selector);
    this.root = find(".afl-surfaces");
    this.stage = find(".stage");
    this.canvas = find("canvas");
    this.readout = find(".readout");
    this.bar = find(".bar");
    this.help = find(".help");
    /** @type {WebGL2RenderingContext | null} */
    this.gl = this.canvas.getContext("webgl2", { antialias: false }); // a picture at rest has more pixels instead
    if (!this.gl) return;
    this.canvas.addEventListener("webglcontextlost", (event) => event.preventDefault()); // asks to have it back
    this.canvas.addEventListener("webglcontextrestored", () => this.upload());
    this.observer = new ResizeObserver(() => layout(this));
    this.observer.observe(this.root);
    this.onCross = ({ detail }) => this.follow(detail);
    window.addEventListener("afl-cross", this.onCross);
    listen(this);
  }

  /** Lets go of everything outside of the mount point. */
  destroy() {
    if (!this.gl) return;
    this.observer.disconnect();
    window.removeEventListener("afl-cross", this.onCross);
    cancelAnimationFrame(this.frame);
    clearTimeout(this.rest);
    this.gl.getExtension("WEBGL_lose_context")?.loseContext();
  }

  // ---- data

  /**
   * Takes what Python sent; meshes that are shown already stay.
   * @param {import("./types").Options} options
   * @param {Uint8Array} bytes The header as JSON.
   */
  receive(options, bytes) {
    this.options = options;
    this.camera = remember(cameras, options.key, () => ({ ...START, ...(options.link ? linkedCamera() : {}) }));
    const digest = new TextDecoder().decode(bytes);
    if (digest === this.digest) return layout(this);
    this.digest = digest;
    this.load(JSON.parse(digest));
  }

  /**
   * Shows meshes once they have arrived, unless others were sent meanwhile.
   * @param {SurfacesHeader} header
   */
  async load(header) {
    const { digest } = this;
    try {
      const meshes = await readMeshes([header.outline, ...header.scenes], header.parts.meshes);
      if (digest === this.digest) this.adopt(header, meshes);
    } catch (error) {
      if (digest !== this.digest) return;
      this.readout.replaceChildren(`The surfaces cannot be shown: ${error.message}. Reload the page.`);
      this.root.dataset.ready = "error";
    }
  }

  /**
   * Takes meshes that have arrived.
   * @param {SurfacesHeader} header
   * @param {Mesh[]} meshes The outline, then one a scene.
   */
  adopt(header, [outline, ...scenes]) {
    const { gl } = this;
    for (const { array, buffers } of this.uploads) {
      gl.deleteVertexArray(array);
      buffers.forEach((buffer) => gl.deleteBuffer(buffer));
    }
    Object.assign(this, { header, scenes, outline });
    this.upload();
    this.ball = boundingBall(scenes) ?? boundingBall([outline]) ?? { centre: [0, 0, 0], radius: 50 };
    if (this.camera.case !== header.case) Object.assign(this.camera, { case: header.case, target: this.ball.centre });
    buildFrames(this);
    this.follow(window.aflCross ?? {});
    layout(this);
  }

  /** Puts the meshes on the graphics card: as they arrive, and again after the browser lost all that was there. */
  upload() {
    if (!this.header || this.gl.isContextLost()) return;
    if (!this.gl.isProgram(this.program ?? null)) this.program = buildProgram(this.gl);
    this.uploads = [this.outline, ...this.scenes].map((mesh) => upload(this.gl, this.program, mesh));
    this.invalidate();
  }

  /**
   * Shows where the crosshair of the slices is; a finding that was chosen there comes to the middle. A crosshair that
   * only moves must not wait for the surfaces to be drawn again: its mark is an element above them.
   * @param {import("./types").Cross} cross
   */
  follow(cross) {
    if (!this.header || cross.case !== this.header.case) return;
    const before = this.cross ?? {};
    this.cross = cross;
    if (cross.radius_mm > 0 && String(cross.mm) !== String(before.mm)) {
      const zoom = clamp(this.ball.radius / (3 * cross.radius_mm + 8), 1, 12);
      Object.assign(this.camera, { target: cross.mm, zoom });
      this.invalidate();
    } else if (cross.radius_mm !== before.radius_mm) this.invalidate();
    else if (!this.frame && this.paneWidth) this.panes.forEach((pane) => placeMark(this, pane, matrixOf(this)));
  }

  // ---- camera

  /**
   * Turns the camera by degrees.
   * @param {number} yaw
   * @param {number} pitch
   */
  turnBy(yaw, pitch) {
    this.camera.yaw = (this.camera.yaw + yaw) % 360;
    this.camera.pitch = clamp(this.camera.pitch + pitch, -89.9, 89.9);
    this.disturb();
  }

  /**
   * Moves the camera nearer or away.
   * @param {number} factor Above 1 to see less, larger.
   */
  zoomBy(factor) {
    this.camera.zoom = clamp(this.camera.zoom * factor, MIN_ZOOM, MAX_ZOOM);
    this.disturb();
  }

  /**
   * Moves what is looked at by CSS pixels.
   * @param {number} dx
   * @param {number} dy
   */
  shift(dx, dy) {
    const { right, up, distance } = viewOf(this);
    const mm = (2 * distance * Math.tan(FIELD / 2)) / this.paneHeight;
    this.camera.target = this.camera.target.map((value, i) => value - (dx * right[i] - dy * up[i]) * mm);
    this.disturb();
  }

  /** Has a picture drawn that moves. It may be coarse: without a graphics card every pixel costs time. */
  disturb() {
    this.moving = true;
    clearTimeout(this.rest);
    this.rest = setTimeout(() => {
      this.moving = false;
      this.invalidate();
    }, 250);
    this.invalidate();
  }

  /**
   * Turns the camera to one of `VIEWS`.
   * @param {string} name
   */
  look(name) {
    [this.camera.yaw, this.camera.pitch] = VIEWS[name];
    this.invalidate();
  }

  /** Takes the camera back to where it was at first. */
  reset() {
    Object.assign(this.camera, START, { target: this.ball.centre });
    this.invalidate();
  }

  /** Has everything drawn with the browser's next frame. */
  invalidate() {
    this.frame ||= requestAnimationFrame(() => {
      this.frame = 0;
      // Nothing has a size before the element is shown, and a lost context draws nothing.
      if (this.header && this.size && !this.gl.isContextLost()) paint(this);
    });
  }

  /**
   * Shows or hides the list of mouse and keys.
   * @param {boolean} show
   */
  toggleHelp(show = this.help.hidden) {
    this.help.hidden = !show;
    this.root.querySelector('[data-do="help"]').setAttribute("aria-expanded", String(show));
  }
}

/**
 * Streamlit calls this as it does that of viewer.js: of calls that were overtaken, only the newest may take the viewer
 * down.
 * @param {import("./types").Call} call
 * @returns {() => void}
 */
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
