/** What happens to the label map, voxel by voxel; arrays in, arrays out. */

import { BONE, CONSERVATIVE, INFLAMMATION, PROPOSED, REGION, SEGMENTS, indexOf, isInflammation } from './segments.js';

/** Each value of a map replaced by another; a plain loop, because a case has millions of voxels. */
export function replaced(map, table) {
  const result = new Uint8Array(map.length);
  for (let n = 0; n < map.length; n += 1) result[n] = table[map[n]];
  return result;
}

/** An answer in the numbers of this page. */
export function numbered(answer, names) {
  const index = new Uint8Array(256);
  for (const [name, value] of Object.entries(names)) index[value] = indexOf(name) ?? 0;
  return replaced(answer, index);
}

/** Where an answer found anything, as inflammation of one grade. */
export const ungraded = (grades) => replaced(grades, new Uint8Array(256).fill(INFLAMMATION, 1));

/**
 * A task's answer put into the map: its segments are replaced, the others stay.
 *
 * @param {Uint8Array} current the map of this page
 * @param {Uint8Array} answer
 * @param {Object<string, number>} names of the answer's segments, with their values
 * @param {Uint8Array|null} region where the disease region lies, also beneath other segments
 */
export function merged(current, answer, names, region = null) {
  const found = numbered(answer, names);
  const own = new Set(Object.keys(names).map(indexOf).filter(Boolean));
  // the segments of inflammation are parts of one answer
  if ([...own].some(isInflammation)) SEGMENTS.filter((one) => isInflammation(one.index)).forEach((one) => own.add(one.index));
  // regions do not cover what was found in them
  const inflammation = [INFLAMMATION, CONSERVATIVE, PROPOSED];
  const above = own.has(REGION) ? [BONE, ...inflammation] : own.has(BONE) ? inflammation : [];
  const result = new Uint8Array(current.length);
  for (let n = 0; n < current.length; n += 1) {
    const before = current[n];
    if (found[n] && !(found[n] < before && above.includes(before))) result[n] = found[n];
    else if (!own.has(before)) result[n] = before;
    else if (region?.[n] && before !== REGION) result[n] = REGION;
  }
  return result;
}

/**
 * Clicks' effect put into the map: only voxels that they changed, so that what was painted stays.
 *
 * @param {Uint8Array} current
 * @param {Uint8Array} before what was left before: 0, INFLAMMATION, or PROPOSED for what is proposed to be removed
 * @param {Uint8Array} after what is left now
 * @param {Uint8Array} grades of the automatic result: INFLAMMATION or CONSERVATIVE, for voxels that come back
 * @param {Uint8Array|null} region as for `merged`
 */
export function clicked(current, before, after, grades, region = null) {
  const result = Uint8Array.from(current);
  for (let n = 0; n < result.length; n += 1) {
    if (before[n] === after[n] || (before[n] && !isInflammation(result[n]))) continue;
    if (!after[n]) result[n] = region?.[n] ? REGION : 0;
    else result[n] = after[n] === PROPOSED ? PROPOSED : grades[n] || INFLAMMATION;
  }
  return result;
}

/** What of inflammation was erased by hand shows the disease region beneath it again; whether there was any. Changes `after`. */
export function uncover(before, after, region) {
  let any = false;
  for (let n = 0; n < after.length; n += 1) {
    if (!after[n] && region[n] && isInflammation(before[n])) {
      after[n] = REGION;
      any = true;
    }
  }
  return any;
}

/** Where a segment lies in the map and, when it is painted over, where it lay before: 1 and 0. */
export function regionOf(map, known = null) {
  return map.map((value, n) => (value === REGION || (value && known?.[n]) ? 1 : 0));
}

/** Whether a stroke drew or erased one of the two regions. */
export function isRegionDrawn(before, after) {
  const isRegion = (value) => value === REGION || value === BONE;
  return after.some((value, n) => value !== before[n] && (isRegion(value) || (isRegion(before[n]) && !isInflammation(value))));
}

/** Both grades in one colour, or each in its own. */
export function graded(map, grades, both) {
  const result = Uint8Array.from(map);
  for (let n = 0; n < map.length; n += 1) {
    if (map[n] !== INFLAMMATION && map[n] !== CONSERVATIVE) continue;
    result[n] = both && grades?.[n] === CONSERVATIVE ? CONSERVATIVE : INFLAMMATION;
  }
  return result;
}

/**
 * The map as it is submitted, and the names of its segments in the order of their values.
 *
 * @param {Uint8Array} map
 * @param {boolean} wasShown whether VHI was seen: then no voxel of inflammation means that there is none
 */
export function submission(map, wasShown) {
  const family = map.map((value) => (isInflammation(value) ? INFLAMMATION : value));
  const present = new Set(family);
  const listed = [REGION, BONE, INFLAMMATION].filter((index) => present.has(index) || (index === INFLAMMATION && wasShown));
  const value = new Uint8Array(256);
  listed.forEach((index, n) => {
    value[index] = n + 1;
  });
  const names = listed.map((index, n) => ({ name: SEGMENTS[index - 1].name, idx: n + 1 }));
  return { data: family.map((index) => value[index]), names };
}
