// Linked slice viewer on Canvas 2D: no dependency, no build step, no network. Its Python side, afl_core/ui/viewers/slices.py,
// describes the bytes it receives. viewer.html holds the fixed elements. Here: the Viewer (data and actions), and last
// the function that Streamlit calls.
//
// With the surfaces (surfaces.js) it talks through events of the window: "afl-cross" {case, mm, radius_mm} says where
// the crosshair is, with a radius above 0 on a chosen finding (the last one stays in window.aflCross), and "afl-goto"
// {case, mm} asks it to move.

import { announce, followAddress } from "./address.js";
import { clamp, remember, unpack } from "./common.js";
import { findingAt, goFinding } from "./findings.js";
import { layout, toVoxel } from "./geometry.js";
import { listenToControls, listenToPanes, listenToStrip } from "./input.js";
import { buildPanes, drawPane } from "./panes.js";
import { gather } from "./picture.js";
import { buildLanes, drawStrip } from "./strip.js";
import {
  PLANES, arrival, byteLevels, colourRamp, hold, profile,
} from "./voxels.js";
import { fillMenus, syncControls, writeReadout } from "./words.js";

const DEFAULTS= {
  axis: "axial", mode: "masks", style: "fill", opacity: 0.4, pair: 0,
  masks: true, rim: true, cross: true, smooth: true, radiological: true,
};

// Kept by this module, so that a rerun, a remount or a visit to another page changes nothing the reader set.
const settings = new Map(); // viewer key -> switches
const places = new Map(); // viewer key and case -> crosshair, zoom, window
const viewers = new WeakMap(); // mount point -> Viewer

class Viewer {
  constructor(host) {
    const find = (selector) => host.querySelector(selector);
    this.root = find(".afl-viewer");
    this.grid = find(".panes");
    this.track = find(".strip");
    this.strip = find(".strip canvas");
    this.marker = find(".marker");
    this.readout = find(".readout");
    this.legend = find(".legend");
    this.help = find(".help");
    this.finding = find(".finding");
    this.preset = find(".preset");
    this.pair = find(".pair");
    this.opacity = find(".opacity");
    this.panes = [];
    this.paths = new Map(); // outlines of the shown slice
    this.pointers = new Map();
    this.wheel = 0;
    this.turn = 0;
    this.slice = new OffscreenCanvas(1, 1);
    listenToControls(this);
    listenToPanes(this);
    listenToStrip(this);
    this.onGoto = ({ detail }) => {
      if (detail.case === this.header?.case) this.goTo(toVoxel(this, detail.mm));
    };
    window.addEventListener("afl-goto", this.onGoto);
    this.observer = new ResizeObserver(() => layout(this));
    this.observer.observe(this.root);
  }

  destroy() {
    this.observer.disconnect();
    window.removeEventListener("afl-goto", this.onGoto);
    cancelAnimationFrame(this.frame);
    clearTimeout(this.timer);
    clearTimeout(this.addressTimer);
  }

  // ---- data

  receive(options, bytes) {
    this.options = options;
    this.ui = remember(settings, options.key, () => ({ ...DEFAULTS }));
    const digest = new TextDecoder().decode(bytes);
    if (digest === this.digest) {
      this.follow();
      layout(this); // a rerun may come with another theme
    } else {
      this.digest = digest;
      this.load(JSON.parse(digest));
    }
  }

  async load(header) {
    this.root.dataset.ready = "false";
    try {
      const { digest } = this;
      const parts = Object.entries(header.parts).map(([part, hash]) => arrival(this.options.key, part, hash).promise);
      const [image, masks, ...maps] = await Promise.all(parts);
      if (digest !== this.digest) return; // another case was chosen meanwhile
      this.adopt(header, { image, masks, maps });
    } catch (error) {
      this.readout.replaceChildren(`This case cannot be shown: ${error.message}. Reload the page.`);
      this.root.dataset.ready = "error";
    }
  }

  adopt(header, voxels) {
    Object.assign(this, { header, ...voxels, hover: null, sliceKey: null });
    const [a, b, c] = header.affine;
    this.world = new DOMMatrix([0, 1, 2, 3].flatMap((i) => [a[i], b[i], c[i], i === 3 ? 1 : 0]));
    this.levels = byteLevels(header);
    this.mapSlices = header.maps.map(() => new OffscreenCanvas(1, 1));
    this.mapRamps = header.maps.map(({ colours }) => colourRamp(colours));
    const id = JSON.stringify([this.options.key, header.case]);
    const [shape, picture] = [String(header.shape), header.parts.image];
    if (places.get(id)?.shape !== shape) places.delete(id);
    this.place = remember(places, id, () => ({ shape, cross: [...header.start], ...this.home(header) }));
    if (this.place.picture !== picture) Object.assign(this.place, { picture, low: 0, high: 255 });
    this.reference = header.masks.find((mask) => mask.bit === 0);
    this.sources = header.masks.filter((mask) => mask.bit > 0);
    const { sources } = this;
    this.pairs = this.reference ? sources.flatMap((one, i) => sources.slice(i + 1).map((other) => [one, other])) : [];
    const kinds = { lesion: header.lesions, false_positive: header.false_positives, disagreement: header.disagreements };
    this.findings = Object.entries(kinds).flatMap(([kind, spots]) => spots.map((spot) => ({ ...spot, kind })));
    this.lanes = buildLanes(this);
    this.counts = profile(this.masks, header.shape, this.lanes);
    buildPanes(this);
    fillMenus(this);
    followAddress(this);
    this.follow();
    layout(this);
  }

  home(header) {
    return { zoom: 1, centre: header.box.map(([first, last]) => (first + last) / 2) };
  }

  // A focus from Python acts once; afterwards the reader is free to move on.
  follow() {
    const { focus, of } = this.options;
    const asked = JSON.stringify([focus, of]);
    if (!this.place || asked === this.place.focus) return;
    this.place.focus = asked;
    if (!focus) return;
    const bit = this.sources.find(({ name }) => name === of)?.bit;
    goFinding(this, findingAt(this, focus, (spot) => spot.bit === bit), focus);
    this.root.scrollIntoView({ block: "nearest", behavior: "smooth" }); // what was clicked may lie far below
  }

  // ---- what every input ends in

  get plane() {
    return PLANES[this.ui.axis];
  }

  // Whether the voxel index falls from left to right on the screen. Sagittal slices are seen from the patient's left
  // (anterior on the left of the screen) in both conventions.
  get flipped() {
    return this.ui.axis === "sagittal" || this.ui.radiological;
  }

  get comparable() {
    return Boolean(this.reference) && this.sources.length > 0;
  }

  get errors() {
    return this.ui.mode === "errors" && this.comparable;
  }

  // The two sources that the mode "agreement" compares, or null.
  get agreement() {
    return this.ui.mode === "agreement" ? (this.pairs[this.ui.pair] ?? this.pairs[0] ?? null) : null;
  }

  // What stands in a pane of its own beside the masks': the compared sources, "together" for all outlines, or null.
  get beside() {
    return this.agreement ?? (this.ui.mode === "together" && this.header.masks.length > 1 ? "together" : null);
  }

  set(name, value) {
    const before = this.beside;
    this.ui[name] = value;
    if (name === "axis") {
      this.hover = null;
      this.report();
    }
    if (before !== this.beside) {
      buildPanes(this);
      layout(this);
    }
    this.invalidate();
  }

  goTo(voxel) {
    if (!this.place) return;
    const cross = voxel.map((index, axis) => clamp(Math.round(index), 0, this.header.shape[axis] - 1));
    if (String(cross) === String(this.place.cross)) return;
    this.place.cross = cross;
    this.place.chosen = false;
    this.report();
    this.invalidate();
  }

  // Moves along one axis, by default through the slices.
  move(steps, axis = this.plane.n) {
    this.goTo(this.place.cross.map((index, a) => (a === axis ? index + steps : index)));
  }

  // What the read-out tells about: the voxel under the pointer of a pane, or null.
  point(voxel, pane) {
    const known = voxel?.every((index, axis) => index >= 0 && index < this.header.shape[axis]);
    this.hover = known ? { voxel, pane: pane.shows.name } : null;
    this.invalidate();
  }

  zoomBy(factor) {
    this.place.zoom = clamp(this.place.zoom * factor, 0.5, 20);
    this.invalidate();
  }

  // Move the view by voxels across and up the slice.
  shift(i, j) {
    this.place.centre[this.plane.h] += i;
    this.place.centre[this.plane.v] += j;
    this.invalidate();
  }

  setWindow(low, high) {
    const width = Math.max(high - low, 2);
    const middle = clamp((low + high) / 2, this.levels[0], this.levels[255]);
    Object.assign(this.place, { low: middle - width / 2, high: middle + width / 2 });
    this.invalidate();
  }

  setPreset(index) {
    const { window: [low, high], presets } = this.header;
    const shown = (value) => ((value - low) / (high - low)) * 255;
    if (presets[index]) this.setWindow(shown(presets[index].low), shown(presets[index].high));
  }

  resetView() {
    Object.assign(this.place, this.home(this.header));
    this.setPreset(0);
  }

  toggleHelp(show = this.help.hidden) {
    this.help.hidden = !show;
    if (show) this.help.scrollIntoView({ block: "nearest" });
    this.root.querySelector('[data-do="help"]').setAttribute("aria-expanded", String(show));
  }

  report() {
    if (!this.options.report) return;
    clearTimeout(this.timer); // once, after the last motion: each report is a rerun
    this.timer = setTimeout(() => this.send({ axis: this.ui.axis, voxel: this.place.cross }), 400);
  }

  // ---- drawing

  invalidate() {
    this.frame ||= requestAnimationFrame(() => {
      this.frame = 0;
      if (this.header) this.paint();
    });
  }

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

// Streamlit calls this on every change of data or theme, and the last function it returned when the element goes. A
// call that was overtaken has its function run too, so only the newest one may take the viewer down.
export default function ({ data, parentElement, setStateValue }) {
  const { options, rest } = unpack(data);
  if (options.part) return hold(parentElement, options, rest);
  // Streamlit may have put fresh HTML into the same mount point.
  if (!viewers.get(parentElement)?.root.isConnected) viewers.set(parentElement, new Viewer(parentElement));
  const viewer = viewers.get(parentElement);
  const turn = ++viewer.turn;
  viewer.send = (view) => setStateValue("view", view);
  viewer.receive(options, rest);
  return () => {
    if (viewer.turn !== turn) return;
    viewer.destroy();
    viewers.delete(parentElement);
  };
}
