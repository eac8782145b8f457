// The shapes of what the viewers receive and hold, for the JSDoc types of the modules. Nothing here reaches the browser.

export type Voxel = number[]; // three indices in RAS order, fractional between voxels
export type Millimetres = number[]; // three RAS+ coordinates
export type Colour = string; // "#rrggbb"
export type Plane = { h: number; v: number; n: number }; // voxel axes across the screen, up it, and through the slices
export type Test = (code: number) => unknown; // whether a voxel whose mask bits are `code` belongs to a region

// ---- slices: the header that afl_core/ui/viewers/payload.py writes

export type Mask = { bit: number; name: string; colour: Colour; volume_ml?: number };
export type ScalarMap = {
  name: string; label: string; limits: [number, number]; colours: Colour[]; cut: boolean; centred: boolean;
}; // cut: its values have a threshold of the reader's; centred: the middle is translucent
export type Labels = {
  names: string[]; colours: Colour[]; wrong: Colour; columns: Record<string, number>; combinations: number[][];
}; // as afl_core/ui/viewers/label_codes.py writes it
export type Spot = {
  voxel: Voxel; volume_ml: number; radius_mm: number; box: [number, number][]; bit?: number; missed_by?: string[]; right?: number[];
};
export type Finding = Spot & { kind: string };
export type Header = {
  case: string; sequence: string; shape: number[]; spacing_mm: number[]; affine: number[][]; oblique_deg: number;
  window: [number, number]; presets: { name: string; low: number; high: number }[]; knots: [number, number][];
  box: [number, number][]; start: Voxel; near: Spot | null; parts: Record<string, string>; masks: Mask[]; maps: ScalarMap[];
  labels: Labels | null; errors: { TP: Colour; FP: Colour; FN: Colour }; agreement: { both: Colour; neither: Colour };
  lesions: Spot[]; false_positives: Spot[]; disagreements: Spot[];
};
export type Options = {
  key: string; report?: boolean; focus?: Voxel | null; of?: string; link?: boolean;
  sequences?: string[]; sequence?: string; // that can stand behind the masks
  height?: number; // of a pane of surfaces, at most, in CSS pixels
  group?: string; // viewers of one group have one crosshair, view and set of switches; their grids are the same
  outlines?: string; // title of the one thing that is shown: the outlines of all masks
  spare?: string; // keys that are left to the page
  bare?: boolean; // without a toolbar, which another one of the group has
  below?: number; // CSS pixels to leave below the viewer within the window
};

// ---- slices: what the viewer holds

export type Switches = {
  axis: string; lead: string; subject: string; mode: string; style: string; opacity: number; pair: number; cut: number;
  masks: boolean; rim: boolean; cross: boolean; smooth: boolean; radiological: boolean;
};
export type View = { zoom: number; centre: number[]; near: boolean }; // what is in sight; near: one place alone
export type Place = View & {
  shape: string; cross: Voxel; low: number; high: number; picture?: string; focus?: string; ruler?: Ruler | null; chosen?: boolean; finding?: number;
};
export type Ruler = { axis: string; ends: Voxel[]; done: boolean }; // whole numbers of its voxels are edges of voxels
export type Voxels = { image: Uint8Array; masks: Uint8Array; maps: Uint8Array[]; labels?: Uint8Array };
export type Look = {
  colour: Colour; width: number; fill?: boolean; dash?: number[]; hatch?: string; pattern?: CanvasPattern | null;
};
export type Layer = Look & { name: string; test: Test; labelled?: boolean; map?: number }; // it tests codes of labels, or bytes of a map
export type Kind = Layer & { text: string };
export type Key = Omit<Look, "width"> & { text: string; ground?: boolean }; // ground: on the black of the images
export type Shows = {
  name: string; bit?: number; colour?: Colour; volume_ml?: number; pair?: Mask[]; together?: boolean; map?: number;
};
export type Cut = {
  at?: string; shown?: string; codes?: Uint8Array; labels?: Uint8Array; values?: Uint8Array[]; grey?: Uint8Array; slice: OffscreenCanvas; maps: OffscreenCanvas[];
  paths: Map<string, Path2D>;
}; // one slice at voxel resolution: of which voxels and window, mask codes, grey bytes, pictures, outlines of the masks
export type Pane = {
  shows: Shows; axis?: string; canvas: HTMLCanvasElement; letters: HTMLElement[]; frame: HTMLElement; ctx: CanvasRenderingContext2D;
  patterns: Map<string, CanvasPattern | null>;
};
export type Lane = { label: string; colour?: Colour; source?: boolean; test: Uint8Array };
export type LaneBox = { most: number; top: number; height: number; gutter: number; step: number };
export type Pointer = { x: number; y: number; drag: string; path: number };
export type Cross = { case?: string; mm?: Millimetres; radius_mm?: number };

// ---- surfaces

export type MeshHeader = { name: string; colour: Colour; points: number; faces: number; measured: boolean };
export type Mesh = {
  name: string; colour: Colour; measured: boolean;
  points: Float32Array; faces: Uint32Array; distances: Float32Array; normals: Float32Array;
};
export type SurfacesHeader = {
  case: string; outline: MeshHeader; scenes: MeshHeader[]; limit_mm: number; colours: Colour[]; parts: { meshes: string };
};
export type Upload = { array: WebGLVertexArrayObject; count: number; buffers: WebGLBuffer[] };
export type Hit = { mm: Millimetres; distance: number | null; name?: string };
export type Camera = {
  yaw: number; pitch: number; zoom: number; outline: boolean; case?: string; target?: Millimetres;
};
export type Scene = {
  mesh: Mesh; frame: HTMLElement; letters: HTMLElement[][]; mark: HTMLElement; left?: number; top?: number;
};

// ---- Streamlit

export type Call = {
  data: Uint8Array; parentElement: HTMLElement; setStateValue: (name: string, value: unknown) => void;
  setTriggerValue: (name: string, value: unknown) => void;
};

// ---- the rail, as afl_core/ui/viewers/rail.py writes it

export type Row = { case: string; picture: string; values: (number | null)[]; told: string; size: string };
export type Rail = {
  rows: Row[]; chosen: string; colours: Colour[]; before: [string, string] | null; after: [string, string] | null;
  title: string; folded: boolean;
};

declare global {
  interface Window { aflCross?: Cross }
  interface WindowEventMap {
    "afl-cross": CustomEvent<Cross>;
    "afl-goto": CustomEvent<{ case: string; mm: Millimetres }>;
  }
}
