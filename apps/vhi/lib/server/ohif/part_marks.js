/** Words beside what only its colour would tell from inflammation: regions, and what is proposed to be removed. Arrays in, places out. */

import { holds, seen } from './cells.js';
import { partsOf, voxelOf } from './drawing.js';
import { BONE, PROPOSED, REGION } from './segments.js';
import { t } from './texts.js';
import { filled } from './words.js';

export const PROPOSED_MARK = t('lesion.mark'); // as in the list of lesions
// whether a part has the word, by cell: a table, because slices are walked through before a click is seen
const tableOf = (isIn) => Uint8Array.from({ length: 256 }, (_, cell) => Number(isIn(cell)));
const MARKS = [
  { text: t('mark.region'), table: tableOf((cell) => holds(cell, REGION)) },
  { text: t('mark.bone'), table: tableOf((cell) => holds(cell, BONE)) },
  { text: PROPOSED_MARK, table: tableOf((cell) => seen(cell) === PROPOSED) },
];

const known = new WeakMap(); // cells are made anew when something changes

/**
 * The words of a slice: one beside each part that hangs together there, at the end of its highest row.
 *
 * @param {Uint8Array} cells see cells.js
 * @param {number[]} sizes
 * @param {number} slice
 * @returns {{text: string, voxel: number[]}[]}
 */
export function marksIn(cells, sizes, slice) {
  if (!known.has(cells)) known.set(cells, new Map());
  const of = known.get(cells);
  if (!of.has(slice)) {
    const inSlice = cells.subarray(slice * sizes[0] * sizes[1], (slice + 1) * sizes[0] * sizes[1]);
    const present = [...new Set(Array.from(filled(inSlice), (n) => inSlice[n]))];
    const marks = MARKS.filter(({ table }) => present.some((cell) => table[cell]));
    of.set(slice, marks.flatMap((mark) => marked(mark, cells, sizes, slice)));
  }
  return of.get(slice);
}

function marked({ text, table }, cells, sizes, slice) {
  const isIn = (n) => table[cells[n]];
  return [...partsOf({ sizes }, slice, isIn)].map(({ first }) => {
    const [i, j] = voxelOf(sizes, first);
    let end = i;
    while (end + 1 < sizes[0] && isIn(first + end + 1 - i)) end += 1;
    return { text, voxel: [end, j, slice] };
  });
}
