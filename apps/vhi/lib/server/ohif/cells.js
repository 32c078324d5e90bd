/**
 * What lies in each voxel: the segment that is seen, and the two regions, also beneath it. One number a voxel: the seen segment in the
 * lowest three bits, then a bit for the disease region and one for normal bone. Arrays in, arrays out.
 */

import { replaced } from './labels.js';
import { BONE, CONSERVATIVE, INFLAMMATION, PROPOSED, REGION, indexOf, isInflammation } from './segments.js';
import { bitsIn, differing, filled } from './words.js';

const SEEN = 7;
const REGION_BIT = 8;
const BONE_BIT = 16;
const REGIONS = REGION_BIT | BONE_BIT;
const REGIONS_SHIFT = 2; // where a draft has the regions of the measurement, above those of now
const FLAGS = { 'disease region': 1, 'normal bone': 2, inflammation: 4 };

export const seen = (cell) => cell & SEEN;

/** The regions of a voxel with nothing on them: normal bone is seen above the disease region. */
const bare = (cell) => {
  const regions = cell & REGIONS;
  return regions | (regions & BONE_BIT ? BONE : regions ? REGION : 0);
};

// a case has millions of voxels and few different values, so that a change is worked out once for each of them

const eachOf = (cells, change) => replaced(cells, Uint8Array.from({ length: 256 }, (_, cell) => change(cell)));

/** The same where it depends on what lies there in another map too. */
export function eachWith(cells, other, change) {
  const result = new Uint8Array(cells.length).fill(change(0, 0));
  const known = new Int16Array(256 * 256).fill(-1);
  for (const n of filled(cells, other)) {
    const pair = (cells[n] << 8) | other[n];
    if (known[pair] < 0) known[pair] = change(cells[n], other[n]);
    result[n] = known[pair];
  }
  return result;
}

/** The label map that is seen. */
export const seenOf = (cells) => eachOf(cells, seen);

/** Whether a label map is what is seen of the cells. */
export const isSeen = (cells, map) => filled(cells, map).every((n) => seen(cells[n]) === map[n]);

/** The regions alone. */
export const regionsOf = (cells) => eachOf(cells, (cell) => cell & REGIONS);

const regionsIn = new WeakMap(); // cells are made anew when something changes

/** Whether a region was drawn or shown. */
export function hasRegion(cells, index) {
  if (!regionsIn.has(cells)) regionsIn.set(cells, bitsIn(cells));
  return Boolean(regionsIn.get(cells) & (index === BONE ? BONE_BIT : REGION_BIT));
}

/** Whether two differ in a region. */
export const regionsDiffer = (one, other) => differing(one, other).some((n) => (one[n] ^ other[n]) & REGIONS);

/** Whether inflammation lies in other voxels than those of a map of seen segments. */
export const inflammationDiffers = (cells, map) =>
  filled(cells, map).some((n) => isInflammation(seen(cells[n])) !== isInflammation(map[n]));

/**
 * After a tool drew: what was painted lies above the regions, what was erased shows what lay beneath it.
 *
 * @param {Uint8Array} cells before
 * @param {Uint8Array} map the label map as the tool left it
 */
export const drawn = (cells, map) => eachWith(cells, map, (cell, found) => (found ? painted(cell, found) : erased(cell)));

/** A voxel that a segment was painted on. */
export function painted(cell, index) {
  if (index === seen(cell)) return cell;
  if (index === REGION) return REGION | REGION_BIT;
  if (index === BONE) return BONE | BONE_BIT | (cell & REGION_BIT);
  return index | (cell & REGIONS);
}

/** A voxel of which what was seen was erased. */
export function erased(cell) {
  if (seen(cell) === REGION) return 0;
  return bare(seen(cell) === BONE ? cell & REGION_BIT : cell);
}

const bitOf = (index) => ({ [REGION]: REGION_BIT, [BONE]: BONE_BIT })[index] ?? 0;

/** Whether a segment lies in a voxel: a region also beneath others, inflammation of any grade. */
export const holds = (cell, index) => (bitOf(index) ? Boolean(cell & bitOf(index)) : isInflammation(seen(cell)));

/** A voxel with a segment added: what lies above that stays, and a grade. */
export function laid(cell, index) {
  if (holds(cell, index)) return cell;
  if (!bitOf(index)) return index | (cell & REGIONS);
  return seen(cell) > BONE ? cell | bitOf(index) : bare(cell | bitOf(index));
}

/** A voxel without a segment: what lies above and beneath it stays. */
export function taken(cell, index) {
  if (!holds(cell, index)) return cell;
  return seen(cell) > BONE && bitOf(index) ? cell & ~bitOf(index) : bare(cell & ~bitOf(index));
}

/** Some voxels changed, the others as they were. */
export function changedAt(cells, places, change) {
  const result = new Uint8Array(cells);
  for (const n of places) result[n] = change(cells[n], n);
  return result;
}

/**
 * A task's answer put in: its segments are replaced, the others stay.
 *
 * @param {Uint8Array} cells
 * @param {Uint8Array} answer in the numbers of this page, see `numbered`
 * @param {string[]} names of the answer's segments
 */
export function answered(cells, answer, names) {
  const own = names.map(indexOf);
  // the segments of inflammation are parts of one answer
  const replaces = own.some(isInflammation);
  const bits = (own.includes(REGION) ? REGION_BIT : 0) | (own.includes(BONE) ? BONE_BIT : 0);
  return eachWith(cells, answer, (cell, found) => {
    const regions = (cell & REGIONS & ~bits) | (found === REGION ? REGION_BIT : found === BONE ? BONE_BIT : 0);
    if (isInflammation(found)) return regions | found;
    const stays = seen(cell) > BONE && !(replaces && isInflammation(seen(cell)));
    return stays ? regions | seen(cell) : bare(regions);
  });
}

/**
 * Clicks' effect put in: only voxels that they changed, so that what was painted stays.
 *
 * @param {Uint8Array} cells
 * @param {Uint8Array} before what was left before: 0, INFLAMMATION, or PROPOSED for what is proposed to be removed
 * @param {Uint8Array} after what is left now
 * @param {Uint8Array} grades of the automatic result: INFLAMMATION or CONSERVATIVE, for voxels that come back
 * @param {Iterable<number>|null} at places of the voxels that may have changed; all where it is absent
 */
export function clicked(cells, before, after, grades, at = null) {
  const change = (cell, n) => {
    if (before[n] === after[n] || (before[n] && !isInflammation(seen(cell)))) return cell;
    if (!after[n]) return bare(cell);
    return (cell & REGIONS) | (after[n] === PROPOSED ? PROPOSED : grades[n] || INFLAMMATION);
  };
  return changedAt(cells, at ?? differing(before, after), change);
}

/** Both grades in one colour, or each in its own; at some places alone where they are given. */
export function graded(cells, grades, both, at = null) {
  const change = (cell, grade) => {
    if (seen(cell) !== INFLAMMATION && seen(cell) !== CONSERVATIVE) return cell;
    return (cell & REGIONS) | (both && grade === CONSERVATIVE ? CONSERVATIVE : INFLAMMATION);
  };
  if (at) return changedAt(cells, at, (cell, n) => change(cell, grades?.[n]));
  return grades ? eachWith(cells, grades, change) : eachOf(cells, (cell) => change(cell, 0));
}

const flagsOf = (cell) =>
  (cell & REGION_BIT ? 1 : 0) | (cell & BONE_BIT ? 2 : 0) | (isInflammation(seen(cell)) ? FLAGS.inflammation : 0);

/**
 * The map as it is sent, a flag for each of three segments, and their names with the values where each lies.
 *
 * @param {Uint8Array} cells
 * @param {boolean} wasShown whether VHI was seen: then no voxel of inflammation means that there is none
 */
export function submission(cells, wasShown) {
  const data = eachOf(cells, flagsOf);
  const present = bitsIn(data) | (wasShown ? FLAGS.inflammation : 0);
  const names = Object.entries(FLAGS).filter(([, flag]) => present & flag);
  const valuesOf = (flag) => [1, 2, 3, 4, 5, 6, 7].filter((value) => value & flag);
  return { data, names: names.map(([name, flag]) => ({ name, idx: valuesOf(flag) })) };
}

/** A draft's map: the cells, and the regions of the measurement. */
export const packed = (cells, regions) =>
  regions ? eachWith(cells, regions, (cell, region) => cell | (region << REGIONS_SHIFT)) : new Uint8Array(cells);

/** Both again; no regions where none were drawn for the measurement. */
export function unpacked(map) {
  const regions = eachOf(map, (cell) => (cell >> REGIONS_SHIFT) & REGIONS);
  return { cells: eachOf(map, (cell) => cell & (SEEN | REGIONS)), regions: bitsIn(regions) ? regions : null };
}

/** A submitted map, whose segments lie at these values, as cells. */
export function cellsOf(data, names) {
  const cell = new Uint8Array(256);
  for (const { name, idx } of names) {
    const [index, bit] = [indexOf(name), { [REGION]: REGION_BIT, [BONE]: BONE_BIT }[indexOf(name)]];
    for (const value of idx) cell[value] = bit ? cell[value] | bit : (cell[value] & REGIONS) | (index ?? 0);
  }
  return eachOf(data, (value) => (seen(cell[value]) > BONE ? cell[value] : bare(cell[value])));
}
