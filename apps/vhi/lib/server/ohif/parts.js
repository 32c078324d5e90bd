/** What is done with a drawn part under the pointer, in its slice: what hangs together there of the segment that is being drawn. */

import { holds, laid, taken } from './cells.js';
import { between, gridOf, grown, partAt, shifted, shrunk, voxelOf } from './drawing.js';
import { paintable, whyNotPainted } from './painting.js';
import { SEGMENTS } from './segments.js';

/** By tool: what its button and the list of keys say. */
export const PARTS = { grow: 'Grow', shrink: 'Shrink', copy: 'Copy to next slice', back: 'Copy to previous slice', between: 'Fill between' };

const WORK = {
  grow: (reading, grid, part, slice, index, mm) => byMm(grid, mm, (by) => ({ added: grown(grid, part, by) })),
  shrink: (reading, grid, part, slice, index, mm) => byMm(grid, mm, (by) => ({ removed: without(part, shrunk(grid, part, by)) })),
  copy: (reading, grid, part, slice) => copied(reading, grid, part, slice, 1),
  back: (reading, grid, part, slice) => copied(reading, grid, part, slice, -1),
  between: (reading, grid, part, slice, index) => filled(reading, grid, part, slice, index),
};

/**
 * Do it; a step that can be undone. Nothing is done, and the desk says why, where nothing is drawn.
 *
 * @param {object} desk
 * @param {string} what of PARTS
 * @param {number[]} voxel under the pointer
 */
export function actOnPart(desk, what, voxel) {
  const { reading } = desk;
  const index = reading.labelmap.active;
  const grid = gridOf(reading.labelmap.place());
  const part = partAt(grid, voxel, (n) => holds(reading.cells[n], index));
  const why = whyNotPainted(desk, index);
  if (!part.length) return desk.say(`Nothing of ${SEGMENTS[index - 1].name} is drawn under the pointer in this slice.`);
  if (why && what !== 'shrink') return desk.say(why);
  const { added = [], removed = [], message = '', slice = voxel[2] } = WORK[what](reading, grid, part, voxel[2], index, desk.growMm);
  if (message) return desk.say(message);
  const gone = new Set(removed);
  const painted = added.length ? added.filter(paintable(desk, index)) : [];
  reading.draw([...removed, ...painted], (cell, n) => (gone.has(n) ? taken(cell, index) : laid(cell, index)));
  if (slice !== voxel[2]) reading.jumpTo({ voxel: [voxel[0], voxel[1], slice] });
  return undefined;
}

/** By some mm; by a voxel where they are 0, which is its larger side. */
function byMm({ spacing: [di, dj] }, mm, work) {
  if (mm && mm < Math.min(di, dj)) return { message: `Voxels lie ${Math.min(di, dj).toFixed(2)} mm apart: by ${mm} mm nothing changes.` };
  return work(mm || Math.max(di, dj));
}

const without = (part, others) => {
  const found = new Set(others);
  return part.filter((n) => !found.has(n));
};

function copied({ labelmap }, grid, part, slice, by) {
  const along = labelmap.numberOf(1) > labelmap.numberOf(0) ? by : -by;
  if (slice + along < 0 || slice + along >= grid.sizes[2]) return { message: 'This is the last slice in that direction.' };
  return { added: shifted(grid, part, along), slice: slice + along };
}

const UNFINISHED = 'There is nothing to fill between: draw the same in another slice, above or below this place, and leave out the slices between.';

/** Towards both ends of the volume: the slices to the next one in which something is drawn at the same place. */
function filled(reading, grid, part, slice, index) {
  const isDrawn = (n) => holds(reading.cells[n], index);
  const added = [-1, 1].flatMap((by) => {
    const isIn = (k) => k >= 0 && k < grid.sizes[2];
    const over = (k) => shifted(grid, part, k - slice).filter(isDrawn);
    let k = slice + by;
    while (isIn(k) && !over(k).length) k += by;
    if (!isIn(k) || k === slice + by) return [];
    const others = new Set(over(k).flatMap((n) => partAt(grid, voxelOf(grid.sizes, n), isDrawn)));
    return between(grid, part, [...others]);
  });
  return added.length ? { added } : { message: UNFINISHED };
}
