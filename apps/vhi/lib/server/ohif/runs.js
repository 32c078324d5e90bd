/** Label maps in runs, as drafts keep them: small, and known from damage by their length. See lib/readings/drafts.py. */

import { t } from './texts.js';

const VALUES = 128;
const CHUNK = 8192;

/**
 * @param {Uint8Array} map values below 128
 * @returns {string} base64 of LEB128 numbers, each 128 x the length of a run + its value
 */
export function runsOf(map) {
  const bytes = [];
  for (let start = 0, end = 0; start < map.length; start = end) {
    while (end < map.length && map[end] === map[start]) end += 1;
    let number = (end - start) * VALUES + map[start];
    for (; number >= 128; number = Math.floor(number / 128)) bytes.push(128 + (number % 128));
    bytes.push(number);
  }
  const parts = [];
  for (let n = 0; n < bytes.length; n += CHUNK) parts.push(String.fromCharCode(...bytes.slice(n, n + CHUNK)));
  return btoa(parts.join(''));
}

/** The map of so many voxels again; refused where it is of another length. */
export function mapOfRuns(text, length) {
  const map = new Uint8Array(length);
  let [at, number, place] = [0, 0, 1];
  for (const letter of atob(text)) {
    const byte = letter.codePointAt(0);
    number += (byte % 128) * place;
    place *= 128;
    if (byte >= 128) continue;
    const end = at + Math.floor(number / VALUES);
    if (end > length) break;
    map.fill(number % VALUES, at, end);
    [at, number, place] = [end, 0, 1];
  }
  if (at !== length) throw new Error(t('draft.other_size', { voxels: length }));
  return map;
}
