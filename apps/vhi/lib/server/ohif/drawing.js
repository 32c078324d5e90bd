/**
 * Drawing in one slice of STIR: which voxels a shape covers. Arrays in, places of voxels out (first axis fastest); points are in voxels,
 * also between them, lengths in mm within the slice. The viewer's own tools draw ellipses in slices that no axis of the scanner is normal to.
 *
 * @typedef {{sizes: number[], spacing: number[]}} Grid voxels along each axis, and how far apart they lie [mm]
 */

import { isInside } from './gestures.js';

const ROUNDING_MM = 1e-6;

/** The grid of a place as `Labelmap.place` tells it. */
export const gridOf = ({ sizes, directions }) => ({ sizes, spacing: directions.map((axis) => Math.hypot(...axis)) });

/** The voxel at a place. */
export const voxelOf = ([columns, rows], n) => [n % columns, Math.floor(n / columns) % rows, Math.floor(n / (columns * rows))];

/**
 * What a round brush covers on its way from one point to another: voxels whose middle lies within its radius, and those at both points.
 *
 * @param {Grid} grid
 * @param {number} slice
 * @param {number[]} from
 * @param {number[]} to
 * @param {number} radius [mm]
 * @returns {number[]}
 */
export function stroke(grid, slice, from, to, radius) {
  const ends = [from, to].map((point) => point.map(Math.round));
  const isEnd = (i, j) => ends.some((end) => end[0] === i && end[1] === j);
  const isNear = (i, j) => awayFrom([i, j], from, to, grid.spacing) <= radius + ROUNDING_MM;
  return covered(grid, slice, [from, to], radius, (i, j) => isNear(i, j) || isEnd(i, j));
}

/** Voxels whose middle lies in the circle about a point through another. */
export function circle(grid, slice, centre, rim) {
  const radius = lengthOf(centre, rim, grid.spacing);
  return covered(grid, slice, [centre], radius, (i, j) => lengthOf(centre, [i, j], grid.spacing) <= radius + ROUNDING_MM);
}

/** Voxels whose middle lies in a polygon. */
export const polygon = (grid, slice, corners) => covered(grid, slice, corners, 0, (i, j) => isInside(i, j, corners));

// parts of a slice: places of one slice -------------------------------------------------------------------------------------

/** What hangs together with a voxel in its slice, by sides and corners; nothing where the voxel itself is not so. */
export function partAt({ sizes }, [i, j, k], isSo) {
  const [columns, rows] = sizes;
  const found = new Set();
  const waiting = [[i, j]];
  while (waiting.length) {
    const [x, y] = waiting.pop();
    const n = x + columns * (y + rows * k);
    if (x < 0 || y < 0 || x >= columns || y >= rows || found.has(n) || !isSo(n)) continue;
    found.add(n);
    for (let dy = -1; dy <= 1; dy += 1) for (let dx = -1; dx <= 1; dx += 1) waiting.push([x + dx, y + dy]);
  }
  return [...found];
}

/** All parts of a slice, row by row: each is met in its highest row, at its first voxel there. */
export function* partsOf({ sizes }, slice, isSo) {
  const [columns, rows] = sizes;
  const done = new Set();
  for (let n = slice * columns * rows; n < (slice + 1) * columns * rows; n += 1) {
    if (!isSo(n) || done.has(n)) continue;
    const part = partAt({ sizes }, voxelOf(sizes, n), isSo);
    part.forEach((one) => done.add(one));
    yield { first: n, part };
  }
}

/** A part with all voxels of its slice that lie within some mm of it. */
export function grown(grid, part, mm) {
  return [...new Set([...part, ...near(grid, rims(grid, part).inner, mm)])];
}

/** Voxels of a part that none outside of it lies within some mm of; the border of the image is no border of a part. */
export function shrunk(grid, part, mm) {
  const lost = new Set(near(grid, rims(grid, part).outer, mm));
  return part.filter((n) => !lost.has(n));
}

/** Voxels of a part that have another beside them, and those others; of all voxels these lie nearest to the other side of the border. */
function rims({ sizes: [columns, rows] }, part) {
  const own = new Set(part);
  const outer = new Set();
  const inner = part.filter((n) => {
    const [i, j] = voxelOf([columns, rows], n);
    const beside = [i > 0 && n - 1, i < columns - 1 && n + 1, j > 0 && n - columns, j < rows - 1 && n + columns];
    const others = beside.filter((one) => one !== false && !own.has(one));
    others.forEach((one) => outer.add(one));
    return others.length;
  });
  return { inner, outer };
}

const near = (grid, places, mm) => [...places].flatMap((n) => around(grid, n, mm));

/** The places of a part some slices farther on. */
export const shifted = ({ sizes: [columns, rows] }, part, slices) => part.map((n) => n + slices * columns * rows);

/**
 * Voxels of the slices between two parts of different slices, shape by shape: where the signed distance from the border of each, weighted
 * by how near its slice is, is not outside (Raya and Udupa 1990). Where no voxel of one lies over the other, both are moved to where the
 * middle of the shape is in that slice, on a straight way from one's to the other's.
 *
 * @returns {number[]}
 */
export function between(grid, one, other) {
  const { sizes } = grid;
  const [first, last] = [one, other].map((part) => voxelOf(sizes, part[0])[2]);
  const way = doOverlap(sizes, one, other) ? [0, 0] : wayBetween(sizes, one, other);
  const step = Math.sign(last - first);
  const found = [];
  for (let k = first + step; k !== last; k += step) {
    const share = (k - first) / (last - first);
    const moved = [moveBy(sizes, one, way, share), moveBy(sizes, other, way, share - 1)];
    const box = boxAbout(moved.flat());
    const [from, to] = moved.map((part) => signedDistances(grid, part, box));
    box.forEach(([i, j], n) => {
      const isIn = i >= 0 && j >= 0 && i < sizes[0] && j < sizes[1];
      if (isIn && (1 - share) * from[n] + share * to[n] >= -ROUNDING_MM) found.push(i + sizes[0] * (j + sizes[1] * k));
    });
  }
  return found;
}

/** Whether a voxel of one part lies over one of another. */
function doOverlap([columns, rows], one, other) {
  const inSlice = new Set(one.map((n) => n % (columns * rows)));
  return other.some((n) => inSlice.has(n % (columns * rows)));
}

/** The middle of a part [i, j]. */
export function middleOf(sizes, part) {
  const sum = part.map((n) => voxelOf(sizes, n)).reduce(([x, y], [i, j]) => [x + i, y + j], [0, 0]);
  return sum.map((total) => total / part.length);
}

const wayBetween = (sizes, one, other) => {
  const [from, to] = [one, other].map((part) => middleOf(sizes, part));
  return to.map((at, axis) => at - from[axis]);
};

/** Columns and rows of a part, moved by a share of a way, by whole voxels. */
function moveBy(sizes, part, way, share) {
  const [di, dj] = way.map((length) => Math.round(share * length));
  return part.map((n) => voxelOf(sizes, n)).map(([i, j]) => [i + di, j + dj]);
}

/** Columns and rows of the smallest rectangle about some. */
function boxAbout(at) {
  const [[i0, i1], [j0, j1]] = [0, 1].map((axis) => at.reduce(([low, high], one) => [Math.min(low, one[axis]), Math.max(high, one[axis])], [Infinity, -1]));
  return Array.from({ length: (i1 - i0 + 1) * (j1 - j0 + 1) }, (_, n) => [i0 + (n % (i1 - i0 + 1)), j0 + Math.floor(n / (i1 - i0 + 1))]);
}

/** From each column and row to the nearest voxel outside of a part, that is given by its columns and rows [mm]; outside, to its nearest own, negative. */
function signedDistances({ spacing: [di, dj] }, at, box) {
  const key = (i, j) => `${i} ${j}`;
  const own = new Set(at.map(([i, j]) => key(i, j)));
  const beside = ([i, j]) => [[i - 1, j], [i + 1, j], [i, j - 1], [i, j + 1]].filter((one) => !own.has(key(...one)));
  const rim = at.filter((one) => beside(one).length);
  const outside = [...new Map(rim.flatMap(beside).map((one) => [key(...one), one])).values()];
  const nearest = ([i, j], others) => Math.sqrt(others.reduce((least, [x, y]) => Math.min(least, ((x - i) * di) ** 2 + ((y - j) * dj) ** 2), Infinity));
  return box.map((one) => (own.has(key(...one)) ? nearest(one, outside) : -nearest(one, rim)));
}

/** Voxels of the same slice within some mm of one. */
function around({ sizes, spacing: [di, dj] }, n, mm) {
  const [[columns, rows], [i, j]] = [sizes, voxelOf(sizes, n)];
  const [across, down] = [di, dj].map((size) => Math.floor((mm + ROUNDING_MM) / size));
  const found = [];
  for (let y = Math.max(j - down, 0); y <= Math.min(j + down, rows - 1); y += 1) {
    for (let x = Math.max(i - across, 0); x <= Math.min(i + across, columns - 1); x += 1) {
      if (Math.hypot((x - i) * di, (y - j) * dj) <= mm + ROUNDING_MM) found.push(n + x - i + columns * (y - j));
    }
  }
  return found;
}

const lengthOf = ([i0, j0], [i, j], [di, dj]) => Math.hypot((i - i0) * di, (j - j0) * dj);

/** How far a point lies from a line between two others [mm]. */
function awayFrom([i, j], from, to, [di, dj]) {
  const [x, y] = [(to[0] - from[0]) * di, (to[1] - from[1]) * dj];
  const [u, v] = [(i - from[0]) * di, (j - from[1]) * dj];
  const square = x * x + y * y;
  const share = square ? Math.min(Math.max((u * x + v * y) / square, 0), 1) : 0;
  return Math.hypot(u - share * x, v - share * y);
}

/** Places in the slice that are so, of those within some mm of a box about some points. */
function covered({ sizes, spacing }, slice, points, around, isSo) {
  const [[i0, i1], [j0, j1]] = [0, 1].map((axis) => {
    const [all, far] = [points.map((point) => point[axis]), around / spacing[axis] + 1];
    return [Math.max(Math.floor(Math.min(...all) - far), 0), Math.min(Math.ceil(Math.max(...all) + far), sizes[axis] - 1)];
  });
  const places = [];
  for (let j = j0; j <= j1; j += 1) for (let i = i0; i <= i1; i += 1) if (isSo(i, j)) places.push(i + sizes[0] * (j + sizes[1] * slice));
  return places;
}
