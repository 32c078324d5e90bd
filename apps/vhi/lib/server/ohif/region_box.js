/** Where the disease region lies: as it is drawn, else as the server finds it. */

import { holds } from './cells.js';
import { numbered } from './labels.js';
import { REGION } from './segments.js';
import { t } from './texts.js';

const HALF = 0.5; // of a voxel, around the middles of the outermost

/**
 * The corners [i, j, k] of the box about the voxels that are so; null where none is.
 *
 * @param {number[]} sizes of the map
 * @param {Uint8Array} map
 * @param {(value: number) => boolean} isSo
 */
export function boxCorners([width, height], map, isSo) {
  const [low, high] = [[Infinity, Infinity, Infinity], [-Infinity, -Infinity, -Infinity]];
  for (let n = 0; n < map.length; n += 1) {
    if (!isSo(map[n])) continue;
    [n % width, Math.floor(n / width) % height, Math.floor(n / (width * height))].forEach((at, axis) => {
      low[axis] = Math.min(low[axis], at - HALF);
      high[axis] = Math.max(high[axis], at + HALF);
    });
  }
  if (low[0] > high[0]) return null;
  return [0, 1, 2, 3, 4, 5, 6, 7].map((n) => [0, 1, 2].map((axis) => ((n >> axis) & 1 ? high : low)[axis]));
}

const found = new WeakMap(); // the server's answer, by reading

async function proposed(reading) {
  const { facts, labels } = await reading.ask('disease_region');
  const corners = boxCorners(labels.sizes, numbered(labels.data, facts.label_names), (value) => value === REGION);
  if (!corners) throw new Error(t('display.no_region'));
  return corners;
}

/** The corners of the box about the disease region, in space [mm]. */
export async function regionCorners(reading) {
  const { labelmap } = reading;
  let corners = boxCorners(labelmap.place().sizes, reading.cells, (cell) => holds(cell, REGION));
  if (!corners) {
    if (!found.has(reading)) found.set(reading, await proposed(reading));
    corners = found.get(reading);
  }
  return corners.map((voxel) => labelmap.worldAt(voxel));
}
