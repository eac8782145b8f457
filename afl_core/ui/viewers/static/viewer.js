// Linked slice viewer on Canvas 2D: no dependency, no build step, no network. Its Python side, afl_core/ui/viewers/slices.py,
// describes the bytes it receives. viewer.html holds the fixed elements, types.d.ts names what is held here. Here: the
// Viewer (what is chosen, and when it is drawn), and last the function that Streamlit calls.
//
// With the surfaces (surfaces.js) it talks through events of the window: "afl-cross" {case, mm, radius_mm} says where
// the crosshair is, with a radius above 0 on a chosen finding (the last one stays in window.aflCross), and "afl-goto"
// {case, mm} asks it to move.

import { goTo } from "./actions.js";
import { announce } from "./address.js";
import { followFocus, loadCase } from "./cases.js";
import { remember, unpack } from "./common.js";
import { layout, toVoxel } from "./geometry.js";
import { listenToPanes, listenToStrip } from "./input.js";
import { listenToControls } from "./keys.js";
import { drawPane } from "./panes.js";
import { gather } from "./picture.js";
import { drawStrip } from "./strip.js";
import { PLANES } from "./voxels.js";
import { fillSequences, syncControls, writeReadout } from "./words.js";

/** @type {import("./types").Switches} */
const DEFAULTS = {
  axis: "axial", lead: "axial", subject: "", mode: "masks", style: "fill", opacity: 0.4, pair: 0, cut: 0.5,
  masks: true, rim: true, cross: true, smooth: true, radiological: true,
};

// Kept by this module, so that a rerun, a remount or a visit to another page changes nothing the reader set.
const settings = new Map(); // viewer key -> switches
const viewers = new WeakMap(); // mount point -> Viewer
const mounted = new Set(); // the viewers on the page

/** The slices of one case: what was received, what follows from it (cases.js), and what the reader chose (actions.js). */
export class Viewer {
  /** @type {import("./types").Options} */ options;
  /** @type {import("./types").Switches} */ ui;
  /** @type {import("./types").Header} */ header;
  /** @type {import("./types").Place} */ place;
  /** @type {{voxel: import("./types").Voxel, pane: string, n: number} | null} */ hover;
  /** @type {Uint8Array} */ image;
  /** @type {Uint8Array} */ masks;
  /** @type {Uint8Array[]} */ maps;
  /** @type {Uint8Array | undefined} */ labels;
  /** @type {import("./types").Mask | undefined} */ reference;
  /** @type {import("./types").Mask[]} */ sources;
  /** @type {import("./types").Mask[][]} */ pairs;
  /** @type {import("./types").Finding[]} */ findings;
  /** @type {import("./types").Lane[]} */ lanes;
  /** @type {Uint32Array[][]} Marked voxels along each axis, for each lane. */ counts;
  /** @type {DOMMatrix} From voxels to RAS+ mm. */ world;
  /** @type {Float64Array} What each byte of the image stands for. */ levels;
  /** @type {Uint32Array[]} */ mapRamps;
  /** @type {import("./types").Pane[]} */ panes = [];
  /** @type {Map<string, import("./types").Cut>} The shown slice of each plane. */ cuts = new Map();
  /** @type {Map<number, import("./types").Pointer>} */ pointers = new Map();
  /** @type {number} Device pixels of a CSS pixel. */ ratio;
  /** @type {{gutter: number, step: number}} */ stripScale;
  /** @type {string} */ digest;
  /** @type {Map<string, Promise<ArrayBuffer>>} The parts of the case, by their digests. */ volumes = new Map();
  /** @type {string | null} What the strip, the legend and the choice of a subject were made of. */ stripKey;
  /** @type {string} */ legendKey;
  /** @type {string} */ subjectKey;
  /** @type {string} What the surfaces and the address were told last. */ told;
  /** @type {ReturnType<typeof setTimeout>} */ timer;
  /** @type {(view: object) => void} */ send;
  /** @type {(sequence: string) => void} Asks for another sequence behind the masks. */ choose;
  measuring = false; // whether the next click sets an end of the ruler
  /** @type {ReturnType<typeof setTimeout>} */ hintTimer;
  wheel = 0; // what is left of a trackpad's small deltas
  turn = 0; // calls by Streamlit

  /**
   * Takes over the fixed elements of a mount point.
   * @param {HTMLElement} host
   */
  constructor(host) {
    /** @type {(selector: string) => any} */
    const find = (selector) => host.querySelector(selector);
    this.root = find(".afl-viewer");
    this.grid = find(".panes");
    this.track = find(".strip");
    this.strip = find(".strip canvas");
    this.marker = find(".marker");
    this.readout = find(".readout");
    this.legend = find(".legend");
    this.help = find(".help");
    this.hint = find(".hint");
    this.finding = find(".finding");
    this.preset = find(".preset");
    this.pair = find(".pair");
    this.sequence = find(".sequence");
    this.more = find(".more");
    this.subject = find(".subject");
    this.opacity = find(".opacity");
    this.cut = find(".cut");
    listenToControls(this);
    listenToPanes(this);
    listenToStrip(this);
    this.onGoto = ({ detail }) => {
      if (detail.case === this.header?.case) goTo(this, toVoxel(this, detail.mm));
    };
    window.addEventListener("afl-goto", this.onGoto);
    mounted.add(this);
    this.observer = new ResizeObserver(() => layout(this));
    this.observer.observe(this.root);
    this.onResize = () => layout(this);
    window.addEventListener("resize", this.onResize);
  }

  /** Lets go of everything outside of the mount point. */
  destroy() {
    mounted.delete(this);
    this.observer.disconnect();
    window.removeEventListener("afl-goto", this.onGoto);
    window.removeEventListener("resize", this.onResize);
    cancelAnimationFrame(this.frame);
    clearTimeout(this.timer);
    clearTimeout(this.hintTimer);
  }

  /**
   * Takes what Python sent; a case that is shown already stays.
   * @param {import("./types").Options} options
   * @param {Uint8Array} bytes The header as JSON.
   */
  receive(options, bytes) {
    this.options = options;
    this.ui = remember(settings, options.group || options.key, () => ({ ...DEFAULTS }));
    this.root.classList.toggle("outlines", Boolean(options.outlines));
    this.root.classList.toggle("bare", Boolean(options.bare));
    fillSequences(this);
    const digest = new TextDecoder().decode(bytes);
    if (digest === this.digest) {
      followFocus(this);
      layout(this); // a rerun may come with another theme
    } else {
      this.digest = digest;
      loadCase(this, JSON.parse(digest));
    }
  }

  /** @returns {string} The shown plane; of three, the one that was clicked last: keys and strip go through its slices. */
  get axis() {
    return this.ui.axis === "three" ? this.ui.lead : this.ui.axis;
  }

  /** @returns {import("./types").Plane} The axes of that plane. */
  get plane() {
    return PLANES[this.axis];
  }

  /**
   * Whether the voxel index falls from left to right on the screen. Sagittal slices are seen from the patient's left
   * (anterior on the left of the screen) in both conventions.
   * @param {string} axis
   * @returns {boolean}
   */
  flipped(axis = this.axis) {
    return axis === "sagittal" || this.ui.radiological;
  }

  /** @returns {Viewer[]} The viewers that show a case under one crosshair: this one, and those of its group. */
  get peers() {
    const { group } = this.options;
    return [...mounted].filter((one) => one.header && (one === this || (group && one.options.group === group)));
  }

  /** @returns {string} What the overlay tells of; outlines are a mode of their own, and not every case has labels. */
  get mode() {
    if (this.options.outlines) return "together";
    return this.ui.mode === "labels" && !this.header.labels ? "masks" : this.ui.mode;
  }

  /** @returns {boolean} Whether there are errors to show. */
  get comparable() {
    return Boolean(this.reference) && this.sources.length > 0;
  }

  /** @returns {boolean} Whether errors are shown. */
  get errors() {
    return this.mode === "errors" && this.comparable;
  }

  /** @returns {boolean} Whether labels are shown in colours. */
  get labelled() {
    return this.mode === "labels";
  }

  /** @returns {import("./types").Mask[] | null} The two sources that the mode "agreement" compares. */
  get agreement() {
    return this.mode === "agreement" ? (this.pairs[this.ui.pair] ?? this.pairs[0] ?? null) : null;
  }

  /**
   * What stands in a pane of its own beside the masks': the compared sources, "together" for all outlines, or null.
   * @returns {import("./types").Mask[] | "together" | null}
   */
  get beside() {
    return this.agreement ?? (this.mode === "together" && this.header.masks.length > 1 ? "together" : null);
  }

  /** Has everything drawn with the browser's next frame. */
  invalidate() {
    for (const peer of this.peers) {
      peer.frame ||= requestAnimationFrame(() => {
        peer.frame = 0;
        peer.paint();
      });
    }
  }

  /** Draws everything, and tells the surfaces and the address of it. */
  paint() {
    gather(this);
    for (const pane of this.panes) drawPane(this, pane);
    drawStrip(this);
    syncControls(this);
    writeReadout(this);
    const { axis } = this.ui;
    const slice = this.place.cross[this.plane.n];
    Object.assign(this.root.dataset, { ready: "true", axis, slice, case: this.header.case });
    announce(this);
  }
}

/**
 * Streamlit calls this on every change of data or theme, and the last function it returned when the element goes. A
 * call that was overtaken has its function run too, so only the newest one may take the viewer down.
 * @param {import("./types").Call} call
 * @returns {() => void}
 */
export default function ({ data, parentElement, setStateValue, setTriggerValue }) {
  const { options, rest } = unpack(data);
  // Streamlit may have put fresh HTML into the same mount point.
  if (!viewers.get(parentElement)?.root.isConnected) viewers.set(parentElement, new Viewer(parentElement));
  const viewer = viewers.get(parentElement);
  const turn = ++viewer.turn;
  viewer.send = (view) => setStateValue("view", view);
  viewer.choose = (sequence) => setTriggerValue("sequence", sequence);
  viewer.receive(options, rest);
  return () => {
    if (viewer.turn !== turn) return;
    viewer.destroy();
    viewers.delete(parentElement);
  };
}
