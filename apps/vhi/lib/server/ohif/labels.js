/** What happens to the label map, voxel by voxel; arrays in, arrays out. */

import { BONE, CONSERVATIVE, INFLAMMATION, REGION, SEGMENTS, indexOf, isInflammation } from './segments.js';

/**
 * A task's answer put into the map: its segments are replaced, the others stay.
 *
 * @param {Uint8Array} current the map of this page
 * @param {Uint8Array} answer
 * @param {Object<string, number>} names of the answer's segments, with their values
 * @param {Uint8Array|null} region where the disease region lies, also beneath other segments
 */
export function merged(current, answer, names, region = null) {
  const index = new Uint8Array(256);
  for (const [name, value] of Object.entries(names)) index[value] = indexOf(name) ?? 0;
  const own = new Set(index);
  own.delete(0);
  // the segments of inflammation are parts of one answer
  if ([...own].some(isInflammation)) SEGMENTS.filter((one) => isInflammation(one.index)).forEach((one) => own.add(one.index));
  // regions do not cover what was found in them
  const beneath = own.has(REGION) ? [BONE, INFLAMMATION, CONSERVATIVE] : own.has(BONE) ? [INFLAMMATION, CONSERVATIVE] : [];
  const result = new Uint8Array(current.length);
  for (let n = 0; n < current.length; n += 1) {
    const [before, found] = [current[n], index[answer[n]]];
    if (found && !(found < before && beneath.includes(before))) result[n] = found;
    else if (!own.has(before)) result[n] = before;
    else if (region?.[n] && before !== REGION) result[n] = REGION;
  }
  return result;
}

/**
 * A click's effect put into the map: only voxels that it changed, so that what was painted stays.
 *
 * @param {Uint8Array} current
 * @param {Uint8Array} before what was kept before the click, 1 for inflammation
 * @param {Uint8Array} after what is kept now
 * @param {Uint8Array} shown the automatic result as numbers of this page: restored voxels get their grade back
 * @param {Uint8Array|null} region as for `merged`
 */
export function clicked(current, before, after, shown, region = null) {
  const result = Uint8Array.from(current);
  for (let n = 0; n < result.length; n += 1) {
    if (before[n] && !after[n] && isInflammation(result[n])) result[n] = region?.[n] ? REGION : 0;
    else if (!before[n] && after[n]) result[n] = shown[n] || INFLAMMATION;
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

/** Both grades in one colour, or each in its own. */
export function graded(map, shown, both) {
  return map.map((value, n) => {
    if (value !== INFLAMMATION && value !== CONSERVATIVE) return value;
    return both && shown?.[n] === CONSERVATIVE ? CONSERVATIVE : INFLAMMATION;
  });
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
