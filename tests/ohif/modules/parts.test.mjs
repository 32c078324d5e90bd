import assert from 'node:assert/strict';
import { test } from 'node:test';

import './six_voxels.mjs'; // a window

const { laid, painted, taken } = await import('../cells.js');
const { actOnPart } = await import('../parts.js');
const { Reading } = await import('../reading.js');
const [REGION, BONE, INFLAMMATION, CONSERVATIVE] = [1, 2, 3, 4];
const SIZES = [5, 3, 5];

class Labelmap {
  volume = {};
  active = INFLAMMATION;
  map = new Uint8Array(75);
  read = () => Uint8Array.from(this.map);
  writeAt = (places, valueAt) => places.forEach((n) => (this.map[n] = valueAt(n)));
  place = () => ({ sizes: SIZES, directions: [[1, 0, 0], [0, 1, 0], [0, 0, 4]], origin: [0, 0, 0] });
  worldAt = (voxel) => voxel;
  numberOf = (slice) => SIZES[2] - slice; // the viewer counts against the slices
}

/** A desk with something drawn: for each slice its rows. */
function desk(drawn, index = INFLAMMATION) {
  const reading = new Reading({ stir: 'S' }, new Labelmap(), Promise.resolve({}), { strokes: 0 }, 'anna');
  reading.labelmap.active = index;
  for (const [slice, rows] of Object.entries(drawn)) {
    const at = [...rows.join('')].flatMap((one, n) => (one === '#' ? [n + 15 * slice] : []));
    reading.draw(at, (cell) => painted(cell, index));
  }
  const jumps = [];
  reading.addEventListener('jump', ({ detail }) => jumps.push(detail));
  return { reading, jumps, said: [], isThresholded: false, say(text) { this.said.push(text); } };
}

const rows = ({ reading }, slice) =>
  [0, 1, 2].map((j) => [...reading.labelmap.map.slice(15 * slice + 5 * j, 15 * slice + 5 * j + 5)].map((value) => value || '.').join(''));

test('a part grows and shrinks by a voxel, each a step of its own', () => {
  const one = desk({ 2: ['.....', '.#..#', '.....'] });
  actOnPart(one, 'grow', [1, 1, 2]);
  assert.deepEqual(rows(one, 2), ['.3...', '333.3', '.3...']);
  one.reading.undo();
  assert.deepEqual(rows(one, 2), ['.....', '.3..3', '.....']);
  one.reading.undo(true);
  actOnPart(one, 'shrink', [0, 1, 2]);
  assert.deepEqual(rows(one, 2), ['.....', '.3..3', '.....']);
  assert.deepEqual([one.said, one.jumps, one.reading.effort.strokes], [[], [], 3]);
});

test('a part grows and shrinks by the mm chosen, and by less than a voxel not at all, which is said', () => {
  const one = desk({ 2: ['.....', '#....', '.....'] });
  one.growMm = 2;
  actOnPart(one, 'grow', [0, 1, 2]);
  assert.deepEqual(rows(one, 2), ['33...', '333..', '33...']);
  one.growMm = 1.5;
  actOnPart(one, 'shrink', [0, 1, 2]);
  assert.deepEqual(rows(one, 2), ['3....', '3....', '3....']);
  one.growMm = 0.5;
  actOnPart(one, 'grow', [0, 1, 2]);
  assert.deepEqual(one.said, ['Voxels lie 1.00 mm apart: by 0.5 mm nothing changes.']);
});

test('a part is copied to the next slice as the viewer counts, which is shown then, and not over the last one', () => {
  const one = desk({ 1: ['.....', '.##..', '.....'] });
  actOnPart(one, 'copy', [1, 1, 1]);
  assert.deepEqual([rows(one, 0), one.jumps], [['.....', '.33..', '.....'], [[1, 1, 0]]]);
  actOnPart(one, 'copy', [1, 1, 0]);
  assert.deepEqual(one.said, ['This is the last slice in that direction.']);
  actOnPart(one, 'back', [2, 1, 1]);
  assert.deepEqual([rows(one, 2), one.jumps[1]], [['.....', '.33..', '.....'], [2, 1, 2]]);
});

test('slices between are filled to the next one drawn at the same place, both ways, and nothing else is joined', () => {
  const one = desk({ 0: ['.....', '..#..', '.....'], 2: ['.....', '..#..', '.....'], 4: ['.....', '..#.#', '.....'] });
  actOnPart(one, 'between', [2, 1, 2]);
  for (const slice of [0, 1, 2, 3]) assert.deepEqual(rows(one, slice), ['.....', '..3..', '.....']);
  assert.deepEqual(rows(one, 4), ['.....', '..3.3', '.....']);
  one.reading.undo();
  assert.deepEqual(rows(one, 1), ['.....', '.....', '.....']);
  one.reading.undo(true);
  actOnPart(one, 'between', [2, 1, 2]);
  actOnPart(one, 'between', [4, 1, 4]);
  assert.equal(one.said.length, 2);
  assert.match(one.said[1], /^There is nothing to fill between: draw the same in another slice/);
});

test('where nothing is drawn over a part, it is filled to the nearest one beside it, which is not far', () => {
  const one = desk({ 0: ['#....', '.....', '.....'], 4: ['....#', '.....', '..#..'] });
  actOnPart(one, 'between', [0, 0, 0]);
  assert.deepEqual(rows(one, 2), ['.....', '.3...', '.....']);
  const far = desk({ 0: ['#....', '.....', '.....'], 2: ['....#', '.....', '.....'] });
  far.reading.labelmap.place = () => ({ sizes: SIZES, directions: [[9, 0, 0], [0, 9, 0], [0, 0, 4]], origin: [0, 0, 0] });
  actOnPart(far, 'between', [0, 0, 0]);
  assert.match(far.said[0], /^There is nothing to fill between/);
});

test('where nothing of the segment is drawn, and where there is no threshold yet, that is said', () => {
  const one = desk({ 1: ['.....', '.##..', '.....'] });
  actOnPart(one, 'grow', [4, 2, 1]);
  one.isThresholded = true;
  actOnPart(one, 'grow', [1, 1, 1]);
  assert.match(one.said[0], /^Nothing of inflammation is drawn under the pointer in this slice\.$/);
  assert.match(one.said[1], /^There is no threshold yet/);
  actOnPart(one, 'shrink', [1, 1, 1]);
  assert.deepEqual(rows(one, 1), ['.....', '.....', '.....']);
});

test('a region grows beneath a lesion that stays, and shrinks so', () => {
  const [region, bone] = [REGION | 8, BONE | 16];
  assert.equal(laid(CONSERVATIVE, REGION), CONSERVATIVE | 8);
  assert.equal(taken(CONSERVATIVE | 8, REGION), CONSERVATIVE);
  assert.equal(laid(bone, REGION), bone | 8);
  assert.equal(laid(region, BONE), bone | 8);
  assert.equal(taken(bone | 8, BONE), region);
  assert.equal(laid(region, INFLAMMATION), INFLAMMATION | 8);
  assert.equal(laid(CONSERVATIVE, INFLAMMATION), CONSERVATIVE);
  assert.equal(taken(INFLAMMATION | 24, INFLAMMATION), bone | 8);
});
