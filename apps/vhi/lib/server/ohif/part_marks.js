/** Words beside what only its colour would tell from inflammation: regions, and what is proposed to be removed. Arrays in, places out. */

import { holds, seen } from './cells.js';
import { partAt } from './drawing.js';
import { BONE, PROPOSED, REGION } from './segments.js';

export const PROPOSED_MARK = 'R'; // as in the list of lesions
const MARKS = [
  { text: 'region', isIn: (cell) => holds(cell, REGION) },
  { text: 'bone', isIn: (cell) => holds(cell, BONE) },
  { text: PROPOSED_MARK, isIn: (cell) => seen(cell) === PROPOSED },
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
  if (!of.has(slice)) of.set(slice, MARKS.flatMap((mark) => marked(mark, cells, sizes, slice)));
  return of.get(slice);
}

function marked({ text, isIn }, cells, sizes, slice) {
  const [columns, rows] = sizes;
  const found = [];
  const done = new Set();
  // row by row, so that a part is met in its highest row
  for (let n = 0; n < columns * rows; n += 1) {
    const at = n + slice * columns * rows;
    if (!isIn(cells[at]) || done.has(at)) continue;
    const [start, j] = [n % columns, Math.floor(n / columns)];
    partAt({ sizes }, [start, j, slice], (one) => isIn(cells[one])).forEach((one) => done.add(one));
    let end = start;
    while (end + 1 < columns && isIn(cells[at + end + 1 - start])) end += 1;
    found.push({ text, voxel: [end, j, slice] });
  }
  return found;
}
