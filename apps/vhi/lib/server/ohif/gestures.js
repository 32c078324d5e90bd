/**
 * Which lesions a gesture takes, by the rules of the server (lib/core/gestures.py), so that it is drawn before the server answers. A split
 * is the server's alone.
 */

const HALF = 0.5;
const SAME = (one, other) => one === undefined || one === null || one === other;
export const AREAS = {
  sacrum: ['sacrum'],
  ilium: ['ilium'],
  'sacroiliac joint space': ['sacroiliac joint space'],
  'above L5/S1': ['lumbar vertebrae', 'disc', 'facet joint'],
  other: ['other'],
};

/**
 * The numbers of the lesions that a gesture takes.
 *
 * @param {object} gesture as `vhi_clean` takes it
 * @param {import('./lesions.js').Lesions} found
 * @returns {number[]}
 */
export function takenBy(gesture, found) {
  const rule = RULES[gesture.scope];
  return rule ? [...new Set(rule(gesture, found))] : [];
}

/** Places of the voxels that a gesture decides of a lesion that it takes. */
export function voxelsTaken(gesture, id, found) {
  if (gesture.scope === 'slice') return found.voxelsOf(id, gesture.voxel[2]);
  return found.voxelsOf(id, gesture.scope === 'on slice' && gesture.parts ? gesture.slice : null);
}

const at = (voxels, found) => voxels.map((voxel) => found.at(voxel)).filter(Boolean);
const by = (found, isTaken) => found.ids.filter(isTaken);

/** Lesions of which at least half of some voxels are so. */
const byHalf = (found, isSo, slice = null) =>
  by(found, (id) => {
    const voxels = found.pointsOf(id, slice);
    const hit = voxels.filter(isSo).length;
    return hit > 0 && hit >= HALF * voxels.length;
  });

const RULES = {
  lesion: ({ voxel }, found) => at([voxel], found),
  slice: ({ voxel }, found) => at([voxel], found),
  several: ({ voxels }, found) => at(voxels, found),
  lasso: ({ slice, polygon, inside = true }, found) => {
    const within = new Set(byHalf(found, ([i, j]) => isInside(i, j, polygon), slice));
    return by(found, (id) => (inside ? within.has(id) : !within.has(id) && found.voxelsOf(id, slice).length > 0));
  },
  'on slice': ({ slice, parts }, found) =>
    parts ? by(found, (id) => found.voxelsOf(id, slice).length > 0) : byHalf(found, ([, , k]) => k === slice),
  'beyond line': ({ line, side }, found) => {
    const wanted = sideOf(side, line);
    return byHalf(found, (point) => sideOf(point, line) * wanted > 0);
  },
  part: ({ part, side }, found) =>
    found.listed.filter((one) => (!part || (AREAS[part] ?? [part]).includes(one.part)) && SAME(side, one.side)).map(({ id }) => id),
  smaller: ({ below_mm3: most }, found) => found.listed.filter((one) => one.mm3 < most).map(({ id }) => id),
};

/** Even-odd rule; a point on the left or lower edge of a square is inside, on the right or upper one outside. */
export function isInside(x, y, polygon) {
  let inside = false;
  polygon.forEach(([x0, y0], n) => {
    const [x1, y1] = polygon[(n + 1) % polygon.length];
    if (y0 > y !== y1 > y && x < x0 + ((y - y0) * (x1 - x0)) / (y1 - y0)) inside = !inside;
  });
  return inside;
}

const sideOf = ([x, y], [[x0, y0], [x1, y1]]) => Math.sign((x1 - x0) * (y - y0) - (y1 - y0) * (x - x0));

/**
 * A path with fewer corners: of those farther apart than a tolerance the ones that matter, at most some (Ramer, Douglas and Peucker).
 *
 * @param {number[][]} path
 * @param {number} most corners
 */
export function simplified(path, most = 100) {
  let tolerance = 0.25;
  let found = kept(path, tolerance);
  while (found.length > most) {
    tolerance *= 1.5;
    found = kept(path, tolerance);
  }
  return found;
}

function kept(path, tolerance) {
  if (path.length < 3) return path;
  const [first, last] = [path[0], path[path.length - 1]];
  const length = Math.hypot(last[0] - first[0], last[1] - first[1]);
  const away = ([x, y]) => {
    if (!length) return Math.hypot(x - first[0], y - first[1]);
    return Math.abs((last[0] - first[0]) * (y - first[1]) - (last[1] - first[1]) * (x - first[0])) / length;
  };
  let [farthest, n] = [0, 0];
  path.forEach((point, index) => {
    if (away(point) > farthest) [farthest, n] = [away(point), index];
  });
  if (farthest <= tolerance) return [first, last];
  return [...kept(path.slice(0, n + 1), tolerance).slice(0, -1), ...kept(path.slice(n), tolerance)];
}
