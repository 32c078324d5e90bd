import assert from 'node:assert/strict';
import { test } from 'node:test';

const { marksIn } = await import('../part_marks.js');
const SIZES = [6, 4, 2];
const CELL = { '.': 0, r: 1 | 8, b: 2 | 16, y: 3 | 8, p: 5, q: 5 | 8, B: 2 | 8 | 16 };

/** Cells of two slices, of which the first is empty. */
const cells = (...rows) => Uint8Array.from(`${'.'.repeat(24)}${rows.join('')}`, (one) => CELL[one]);
const told = (found) => found.map(({ text, voxel }) => `${text} ${voxel.join()}`);

test('each part has its word at the end of its highest row, and a part beneath a lesion is one', () => {
  assert.deepEqual(told(marksIn(cells('......', '.rr.rr', '.yqr..', '...rp.'), SIZES, 1)), ['region 2,1,1', 'R 2,2,1', 'R 4,3,1']);
  assert.deepEqual(told(marksIn(cells('.bb...', 'b.....', 'rrr...', '..B...'), SIZES, 1)), ['region 2,2,1', 'bone 2,0,1', 'bone 2,3,1']);
});

test('there is none in a slice without a region, and none where there is inflammation alone', () => {
  const found = cells('yy....', '......', '......', '......').map((one) => one & 7);
  assert.deepEqual([marksIn(found, SIZES, 0), marksIn(found, SIZES, 1), marksIn(found, SIZES, 2)], [[], [], []]);
});
