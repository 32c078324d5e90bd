import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Decisions, fates } from '../cleaning.js';
import { Lesions } from '../lesions.js';

const SIZES = [4, 3, 3];
const at = ([i, j, k]) => i + 4 * (j + 3 * k);

/** Lesion 1 from slice 0 to 2, of two grades, touching by corners alone; lesion 2 in slice 2. */
function twoLesions() {
  const grades = new Uint8Array(36);
  for (const voxel of [[0, 0, 0], [1, 1, 1], [0, 1, 1], [2, 2, 2]]) grades[at(voxel)] = 3;
  grades[at([1, 1, 1])] = 4;
  grades[at([0, 0, 2])] = 3;
  grades[at([3, 0, 0])] = 3;
  return new Lesions(grades, SIZES, [{ id: 1, voxel: [1, 1, 1] }, { id: 2, voxel: [3, 0, 0] }]);
}

test('a lesion is the group of voxels that touch, by corners too, in three dimensions', () => {
  const found = twoLesions();
  for (const voxel of [[0, 0, 0], [1, 1, 1], [0, 1, 1], [2, 2, 2], [0, 0, 2]]) assert.equal(found.at(voxel), 1);
  assert.equal(found.at([3, 0, 0]), 2);
  for (const voxel of [[3, 2, 0], [-1, 0, 0], [0, 0, 3]]) assert.equal(found.at(voxel), undefined);
  assert.deepEqual([...found.slicesOf(1)], [[0, [0, 0, 0]], [1, [0, 1, 1]], [2, [0, 0, 2]]]);
});

test('what is left of a lesion is counted by grade', () => {
  const found = twoLesions();
  const map = Uint8Array.from(found.grades);
  map[at([1, 1, 1])] = 0;
  map[at([3, 2, 2])] = 3; // painted beside it
  assert.deepEqual(found.left(map).get(1), { whole: 5, sensitive: 4, conservative: 0 });
  assert.deepEqual(found.left(found.grades).get(1), { whole: 5, sensitive: 5, conservative: 1 });
});

test('of decisions about a lesion in a slice the last one counts, and the clicks are told in order', () => {
  const found = twoLesions();
  const none = new Decisions();
  const removed = none.with('remove', [1, 1, 1], 'lesion', found);
  const partly = removed.with('restore', [1, 1, 1], 'slice', found);
  const all = [[0, 0, 0], [0, 1, 1], [0, 0, 2]];
  assert.deepEqual(removed.params(), { background: all, foreground: [], scope: 'slice' });
  assert.deepEqual(partly.params(), { background: [[0, 0, 0], [0, 0, 2]], foreground: [[0, 1, 1]], scope: 'slice' });
  assert.deepEqual(none.params(), { background: [], foreground: [], scope: 'slice' });
  assert.deepEqual(partly.clicks, [
    { what: 'remove', voxel: [1, 1, 1], scope: 'lesion' },
    { what: 'restore', voxel: [1, 1, 1], scope: 'slice' },
  ]);
  assert.deepEqual(Decisions.of(partly.clicks, found).params(), partly.params());
  assert.deepEqual(Decisions.of([{ what: 'remove', voxel: [3, 2, 0], scope: 'lesion' }], found).clicks, []);
});

test('what the proposal left out is not what the reader removed', () => {
  const found = twoLesions();
  const lesions = [{ id: 1, keep: false }, { id: 2, keep: true }];
  const left = (one, other) => new Map([[1, { whole: 5, sensitive: one }], [2, { whole: 1, sensitive: other }]]);
  const fate = (...given) => [...fates(lesions, ...given).values()];
  const none = new Decisions();
  const [removed] = [none.with('remove', [0, 0, 0], 'lesion', found)];
  assert.deepEqual(fate(left(5, 1), false, none), ['kept', 'kept']);
  assert.deepEqual(fate(left(0, 1), true, none), ['proposed', 'kept']);
  assert.deepEqual(fate(left(0, 1), true, removed), ['removed', 'kept']); // restored and removed again by clicks
  assert.deepEqual(fate(left(0, 0), false, removed), ['removed', 'removed']); // the second by the eraser
  assert.deepEqual(fate(left(2, 1), true, none), ['part', 'kept']);
});
