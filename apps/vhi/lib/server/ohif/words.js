/** Maps of voxels looked through four at a time: a case has millions of voxels, and nearly all of them are empty or as before. */

/** The bytes of a map as numbers of four; what is left over at its end is in none. */
function wordsOf(map) {
  const bytes = map instanceof Uint8Array && map.byteOffset % 4 === 0 ? map : new Uint8Array(map);
  return new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2);
}

/** Places of a map, in their order: all that are not 0 in it or in the other one, and few besides. */
export function filled(map, other = map) {
  const [one, two] = [wordsOf(map), wordsOf(other)];
  const words = [];
  const count = one.length;
  for (let n = 0; n < count; n += 1) if (one[n] | two[n]) words.push(n);
  return placesOf(words, count, map.length);
}

/** Places of two maps, in their order: all at which they differ, and few besides. */
export function differing(map, other) {
  const [one, two] = [wordsOf(map), wordsOf(other)];
  const words = [];
  const count = one.length;
  for (let n = 0; n < count; n += 1) if (one[n] !== two[n]) words.push(n);
  return placesOf(words, count, map.length);
}

/** Whether two maps differ anywhere. */
export const differs = (map, other) => differing(map, other).some((n) => map[n] !== other[n]);

function placesOf(words, count, length) {
  const left = length - 4 * count; // behind the last word
  const places = new Uint32Array(4 * words.length + left);
  let at = 0;
  for (const n of words) for (let k = 0; k < 4; k += 1) places[at++] = 4 * n + k;
  for (let k = 0; k < left; k += 1) places[at++] = 4 * count + k;
  return places;
}

/** The bits that any voxel of a map has. */
export function bitsIn(map) {
  const words = wordsOf(map);
  const count = words.length;
  let bits = 0;
  for (let n = 0; n < count; n += 1) bits |= words[n];
  for (let n = 4 * count; n < map.length; n += 1) bits |= map[n];
  return (bits | (bits >>> 8) | (bits >>> 16) | (bits >>> 24)) & 255;
}
