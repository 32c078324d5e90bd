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
  assert.deepEqual(found.pointsOf(1), [[0, 0, 0], [0, 1, 1], [1, 1, 1], [0, 0, 2], [2, 2, 2]]);
  assert.deepEqual(found.pointsOf(1, 1), [[0, 1, 1], [1, 1, 1]]);
});

test('what is left of a lesion is counted by grade', () => {
  const found = twoLesions();
  const map = Uint8Array.from(found.grades);
  map[at([1, 1, 1])] = 0;
  map[at([3, 2, 2])] = 3; // painted beside it
  assert.deepEqual(found.left(map).get(1), { whole: 5, sensitive: 4, conservative: 0 });
  assert.deepEqual(found.left(found.grades).get(1), { whole: 5, sensitive: 5, conservative: 1 });
});

test('gestures are told in order, with the lesions that they took', () => {
  const found = twoLesions();
  const click = { what: 'remove', voxel: [1, 1, 1], scope: 'lesion' };
  const lasso = { what: 'restore', scope: 'lasso', slice: 0, polygon: [[-1, -1], [-1, 3], [5, 3], [5, -1]] };
  const removed = new Decisions().with(click, [1]);
  const all = removed.with(lasso, [1, 2]);
  assert.deepEqual(all.params(), { gestures: [click, lasso] });
  assert.deepEqual([...removed.lesions], [1]);
  assert.deepEqual([...all.lesions], [1, 2]);
  assert.deepEqual(Decisions.of(all.clicks, found), all);
  const split = { what: 'split', scope: 'bridge', voxel: [1, 1, 1] };
  assert.deepEqual(Decisions.of([{ ...click, voxel: [3, 2, 0] }, split], found).clicks, [split]);
  const nothing = { ...click, voxel: [3, 2, 0] };
  assert.deepEqual(Decisions.of([nothing, split, click, nothing], found).clicks, [split, click, nothing]); // a piece may lie there
  const only = { ...click, what: 'only' };
  assert.deepEqual([...Decisions.of([only], found).lesions], [1, 2]); // what it leaves out is decided of too
});

test('what the proposal left out is not what the reader removed', () => {
  const found = twoLesions();
  const lesions = [{ id: 1, keep: false }, { id: 2, keep: true }];
  const left = (one, other) => new Map([[1, { whole: 5, sensitive: one }], [2, { whole: 1, sensitive: other }]]);
  const fate = (...given) => [...fates(lesions, ...given).values()];
  const none = new Decisions();
  const [removed] = [none.with({ what: 'remove', voxel: [0, 0, 0], scope: 'lesion' }, [1])];
  assert.deepEqual(fate(left(5, 1), false, none), ['kept', 'kept']);
  assert.deepEqual(fate(left(0, 1), true, none), ['proposed', 'kept']);
  assert.deepEqual(fate(left(0, 1), true, removed), ['removed', 'kept']); // restored and removed again by clicks
  assert.deepEqual(fate(left(0, 0), false, removed), ['removed', 'removed']); // the second by the eraser
  assert.deepEqual(fate(left(2, 1), true, none), ['part', 'kept']);
});
