// The labels of the files: regions in colours, where a label is the wrong one, and what the read-out says of a voxel.
//
// Each voxel holds the number of a combination: the mask bits, then the label of each file whose labels are known.

/** @typedef {import("./viewer.js").Viewer} Viewer */
/** @typedef {import("./types").Kind} Kind */

const NONE = 0; // the number of "no tumour"

/**
 * The label of a file in a combination; undefined where the labels of the file are not known.
 * @param {import("./types").Labels} labels
 * @param {number} code
 * @param {number} bit
 * @returns {number | undefined}
 */
const labelOf = ({ columns, combinations }, code, bit) => combinations[code]?.[columns[bit]];

/**
 * The labels of a file as regions, in its order; [] where they are not known.
 * @param {Viewer} viewer
 * @param {number} bit
 * @returns {Kind[]}
 */
export function labelKinds({ header: { labels } }, bit) {
  if (!labels.columns[bit]) return [];
  return labels.names.map((text, i) => ({
    name: `label${bit}-${i}`, text, labelled: true, test: (code) => labelOf(labels, code, bit) === i + 1,
    colour: labels.colours[i], width: 1.6,
  }));
}

/**
 * Where a source is right about the region, and gives a voxel another label than the reference.
 * @param {Viewer} viewer
 * @param {number} bit
 * @returns {Kind[]}
 */
export function wrongLabel({ header: { labels } }, bit) {
  if (!labels?.columns[0] || !labels.columns[bit]) return [];
  const differ = (truth, found) => truth !== NONE && found !== NONE && truth !== found;
  const holds = (code) => {
    const inside = labels.combinations[code]?.[0];
    return inside & 1 && (inside >> bit) & 1 && differ(labelOf(labels, code, 0), labelOf(labels, code, bit));
  };
  const look = { text: "wrong label", colour: labels.wrong, hatch: "x", width: 1.6, dash: [2, 2] };
  return [{ name: `wrong${bit}`, labelled: true, test: holds, ...look }];
}

/**
 * What the legend tells of labels: those that a file of this case has, in their colours.
 * @param {Viewer} viewer
 * @returns {import("./types").Key[]}
 */
export function labelKeys({ header: { labels } }) {
  const there = new Set(labels.combinations.flatMap(([, ...numbers]) => numbers));
  const keys = labels.names.map((text, i) => ({ text, colour: labels.colours[i], ground: true, number: i + 1 }));
  return keys.filter(({ number }) => there.has(number));
}

/**
 * What each file says of a voxel, in words; [] where no labels are known.
 * @param {Viewer} viewer
 * @param {number} at Place of the voxel in the volumes.
 * @returns {string[]}
 */
export function labelWords({ header: { labels }, labels: codes, sources }, at) {
  if (!labels) return [];
  const name = (number) => labels.names[number - 1];
  const truth = labelOf(labels, codes[at], 0);
  return sources.filter(({ bit }) => labels.columns[bit]).flatMap((source) => {
    const found = labelOf(labels, codes[at], source.bit);
    if (truth === found) return truth === NONE ? [] : [`${source.name}: ${name(truth)}, right`];
    if (truth === NONE) return [`${source.name}: ${name(found)} where there is no tumour`];
    return [`${source.name}: ${name(truth)} ${found === NONE ? "missed" : `taken for ${name(found)}`}`];
  });
}
