/** Answers of the server, voxel by voxel, in the numbers of this page. */

import { INFLAMMATION, indexOf } from './segments.js';
import { filled } from './words.js';

/** Each value of a map replaced by another. */
export function replaced(map, table) {
  const result = new Uint8Array(map.length).fill(table[0]);
  for (const n of filled(map)) result[n] = table[map[n]];
  return result;
}

/** An answer in the numbers of this page; names that mean nothing here draw nothing. */
export function numbered(answer, names) {
  const index = new Uint8Array(256);
  for (const [name, value] of Object.entries(names)) index[value] = indexOf(name) ?? 0;
  return replaced(answer, index);
}

/** Where an answer found anything, as inflammation of one grade. */
export const ungraded = (grades) => replaced(grades, new Uint8Array(256).fill(INFLAMMATION, 1));
