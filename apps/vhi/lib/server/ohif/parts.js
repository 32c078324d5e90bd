/** What is done with a drawn part under the pointer, in its slice: what hangs together there of the segment that is being drawn. */

import { holds, laid, taken } from './cells.js';
import { between, gridOf, grown, middleOf, partAt, partsOf, shifted, shrunk, voxelOf } from './drawing.js';
import { paintable, whyNotPainted } from './painting.js';
import { SEGMENT_TEXTS } from './segments.js';
import { t } from './texts.js';

/** By tool: what its button and the list of keys say. */
export const PARTS = { grow: t('part.grow'), shrink: t('part.shrink'), copy: t('part.copy'), back: t('part.back'), between: t('part.between') };

const WORK = {
  grow: (reading, grid, part, slice, index, mm) => byMm(grid, mm, (by) => ({ added: grown(grid, part, by) })),
  shrink: (reading, grid, part, slice, index, mm) => byMm(grid, mm, (by) => ({ removed: without(part, shrunk(grid, part, by)) })),
  copy: (reading, grid, part, slice) => copied(reading, grid, part, slice, 1),
  back: (reading, grid, part, slice) => copied(reading, grid, part, slice, -1),
  between: (reading, grid, part, slice, index) => filled(reading, grid, part, slice, index),
};

/**
 * Do it; a step that can be undone. Nothing is done, and the session says why, where nothing is drawn.
 *
 * @param {object} session
 * @param {string} what of PARTS
 * @param {number[]} voxel under the pointer
 */
export function actOnPart(session, what, voxel) {
  const { reading } = session;
  const index = reading.labelmap.active;
  const grid = gridOf(reading.labelmap.place());
  const part = partAt(grid, voxel, (n) => holds(reading.cells[n], index));
  const why = whyNotPainted(session, index);
  if (!part.length) return session.say(t('part.nothing', { segment: SEGMENT_TEXTS[index] }));
  if (why && what !== 'shrink') return session.say(why);
  const { added = [], removed = [], message = '', slice = voxel[2] } = WORK[what](reading, grid, part, voxel[2], index, session.growMm);
  if (message) return session.say(message);
  const gone = new Set(removed);
  const painted = added.length ? added.filter(paintable(session, index)) : [];
  reading.draw([...removed, ...painted], (cell, n) => (gone.has(n) ? taken(cell, index) : laid(cell, index)));
  if (slice !== voxel[2]) reading.jumpTo({ voxel: [voxel[0], voxel[1], slice] });
  return undefined;
}

/** By some mm; by a voxel where they are 0, which is its larger side. */
function byMm({ spacing: [di, dj] }, mm, work) {
  if (mm && mm < Math.min(di, dj)) return { message: t('part.too_fine', { apart: Math.min(di, dj).toFixed(2), mm }) };
  return work(mm || Math.max(di, dj));
}

const without = (part, others) => {
  const found = new Set(others);
  return part.filter((n) => !found.has(n));
};

function copied({ labelmap }, grid, part, slice, by) {
  const along = labelmap.numberOf(1) > labelmap.numberOf(0) ? by : -by;
  if (slice + along < 0 || slice + along >= grid.sizes[2]) return { message: t('part.last_slice') };
  return { added: shifted(grid, part, along), slice: slice + along };
}

const FARTHEST_MM = 30; // between the middles of two parts of which none lies over the other

/** Towards both ends of the volume: the slices to the next one in which something is drawn over the part, else near it. */
function filled(reading, grid, part, slice, index) {
  const isDrawn = (n) => holds(reading.cells[n], index);
  const over = (k) => [...new Set(shifted(grid, part, k - slice).filter(isDrawn).flatMap((n) => partAt(grid, voxelOf(grid.sizes, n), isDrawn)))];
  const beside = (k) => nearestTo(grid, part, k, isDrawn);
  for (const partIn of [over, beside]) {
    const added = [-1, 1].flatMap((by) => {
      const isIn = (k) => k >= 0 && k < grid.sizes[2];
      let k = slice + by;
      while (isIn(k) && !partIn(k).length) k += by;
      return !isIn(k) || k === slice + by ? [] : between(grid, part, partIn(k));
    });
    if (added.length) return { added };
  }
  return { message: t('part.unfinished') };
}

/** The part of a slice whose middle lies nearest to that of a part of another one; none where that is far. */
function nearestTo(grid, part, slice, isDrawn) {
  const middle = middleOf(grid.sizes, part);
  let [nearest, least] = [[], FARTHEST_MM];
  for (const { part: found } of partsOf(grid, slice, isDrawn)) {
    const away = Math.hypot(...middleOf(grid.sizes, found).map((at, axis) => (at - middle[axis]) * grid.spacing[axis]));
    if (away <= least) [nearest, least] = [found, away];
  }
  return nearest;
}
