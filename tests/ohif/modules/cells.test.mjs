import assert from 'node:assert/strict';
import { test } from 'node:test';

import { answered, cellsOf, clicked, drawn, eachWith, erased, graded, hasRegion, isSeen, packed, painted, regionsDiffer, regionsOf, seenOf, submission, unpacked } from '../cells.js';
import { BONE as HAS_BONE, REGION as HAS_REGION } from '../segments.js';

const [NONE, REGION, BONE, YELLOW, RED, PURPLE] = [0, 1, 2, 3, 4, 5];
const u = (values) => Uint8Array.from(values);
const l = (values) => Array.from(values);
/** Cells on which tools drew these maps, one after the other. */
const after = (...maps) => maps.reduce((cells, map) => drawn(cells, u(map)), new Uint8Array(maps[0].length));

test('voxels that are worked out once for each pair of values are those that are worked out one by one', () => {
  let seed = 7;
  const random = (values) => Uint8Array.from({ length: 5000 }, () => (seed = (seed * 16807) % 2147483647) % values);
  const [cells, other] = [random(32), random(6)];
  const oneByOne = (change) => Array.from(cells, (cell, n) => change(cell, other[n]));
  const asDrawn = (cell, found) => (found ? painted(cell, found) : erased(cell));
  assert.deepEqual(l(eachWith(cells, other, asDrawn)), oneByOne(asDrawn));
  assert.deepEqual(l(drawn(cells, other)), oneByOne(asDrawn));
  const isGrade = (cell) => [YELLOW, RED].includes(cell & 7);
  const asGraded = (both) => (cell, grade) => (isGrade(cell) ? (cell & 24) | (both && grade === RED ? RED : YELLOW) : cell);
  for (const both of [true, false]) assert.deepEqual(l(graded(cells, other, both)), oneByOne(asGraded(both)));
  assert.deepEqual(l(graded(cells, undefined, true)), oneByOne(asGraded(false)));
  const regions = regionsOf(random(32));
  assert.deepEqual(l(packed(cells, regions)), Array.from(cells, (cell, n) => cell | (regions[n] << 2)));
  assert.deepEqual(l(packed(cells, null)), l(cells));
  assert.deepEqual(l(seenOf(cells)), oneByOne((cell) => cell & 7));
});

test('a map is what is seen of the cells until one voxel is another', () => {
  const cells = after([REGION, BONE, NONE], [YELLOW, BONE, NONE]);
  assert.equal(isSeen(cells, u([YELLOW, BONE, NONE])), true);
  assert.equal(isSeen(cells, u([YELLOW, BONE, RED])), false);
});

test('what is erased shows what lay beneath it: inflammation, normal bone, disease region, nothing', () => {
  const cells = after([REGION], [BONE], [YELLOW]);
  assert.deepEqual(l(seenOf(drawn(cells, u([NONE])))), [BONE]);
  assert.deepEqual(l(seenOf(drawn(drawn(cells, u([NONE])), u([NONE])))), [REGION]);
  assert.deepEqual(l(seenOf(drawn(after([REGION], [BONE]), u([NONE])))), [REGION]);
  assert.deepEqual(l(seenOf(drawn(after([REGION]), u([NONE])))), [NONE]);
});

test('a disease region painted over normal bone takes it away; normal bone lies on the disease region', () => {
  assert.equal(hasRegion(after([BONE], [REGION]), HAS_BONE), false);
  const both = after([REGION], [BONE]);
  assert.deepEqual([hasRegion(both, HAS_BONE), hasRegion(both, HAS_REGION)], [true, true]);
});

test('strokes of inflammation change no region', () => {
  const before = after([REGION, BONE, NONE]);
  const painted = drawn(before, u([YELLOW, RED, YELLOW]));
  assert.deepEqual(l(seenOf(painted)), [YELLOW, RED, YELLOW]);
  assert.equal(regionsDiffer(before, painted), false);
  assert.equal(regionsDiffer(before, drawn(painted, u([YELLOW, RED, REGION]))), true);
});

test('an answer replaces its own segments and leaves the others', () => {
  const put = (map, answer, names) => l(seenOf(answered(after(map), u(answer), names)));
  const both = ['inflammation', 'inflammation (conservative)'];
  assert.deepEqual(put([YELLOW, BONE, REGION, NONE], [0, 0, YELLOW, YELLOW], ['inflammation']), [NONE, BONE, YELLOW, YELLOW]);
  assert.deepEqual(put([BONE, BONE, NONE], [0, BONE, BONE], ['normal bone']), [NONE, BONE, BONE]);
  assert.deepEqual(put([RED, PURPLE, YELLOW], [0, 0, YELLOW], ['inflammation']), [NONE, NONE, YELLOW]);
  assert.deepEqual(put([NONE, NONE, YELLOW], [YELLOW, RED, 0], both), [YELLOW, RED, NONE]);
  assert.deepEqual(put([YELLOW, RED, BONE, NONE], [1, 1, 1, 1], ['disease region']), [YELLOW, RED, BONE, REGION]);
  assert.deepEqual(put([REGION, YELLOW], [BONE, BONE], ['normal bone']), [BONE, YELLOW]);
  assert.deepEqual(put([YELLOW, NONE, 6], [0, 0, 0], ['femur']), [YELLOW, NONE, 6]);
});

test('a region that is put back is the proposal to the voxel, also beneath inflammation', () => {
  const drawnByHand = after([BONE, BONE, NONE, NONE], [BONE, YELLOW, NONE, YELLOW]);
  const back = answered(drawnByHand, u([0, BONE, BONE, BONE]), ['normal bone']);
  assert.deepEqual(l(submission(back, false).data), [0, 6, 2, 6]);
});

test('what is sent of a region has no holes where inflammation or normal bone lies on it', () => {
  const cells = after([REGION, REGION, REGION, NONE], [REGION, BONE, BONE, NONE], [RED, BONE, PURPLE, YELLOW]);
  const { data, names } = submission(cells, true);
  assert.deepEqual(l(data), [5, 3, 7, 4]);
  assert.deepEqual(names, [
    { name: 'disease region', idx: [1, 3, 5, 7] },
    { name: 'normal bone', idx: [2, 3, 6, 7] },
    { name: 'inflammation', idx: [4, 5, 6, 7] },
  ]);
  assert.deepEqual(l(cellsOf(data, names)), l(graded(cells, null, false).map((cell) => ((cell & 7) === PURPLE ? cell - 2 : cell))));
});

test('no inflammation is submitted only once VHI was seen', () => {
  const names = (map, wasShown) => submission(after(map), wasShown).names.map((one) => one.name);
  assert.deepEqual(names([NONE, BONE], true), ['normal bone', 'inflammation']);
  assert.deepEqual(names([NONE, BONE], false), ['normal bone']);
  assert.deepEqual(names([NONE, NONE], false), []);
});

test('a click changes its lesion alone', () => {
  //              removed, restored, painted, bone in its place, proposed, accepted
  const current = [YELLOW, NONE, YELLOW, BONE, RED, PURPLE];
  const before = u([YELLOW, NONE, NONE, YELLOW, YELLOW, PURPLE]);
  const now = u([NONE, YELLOW, NONE, NONE, PURPLE, YELLOW]);
  const grades = u([YELLOW, RED, NONE, YELLOW, RED, RED]);
  assert.deepEqual(l(seenOf(clicked(after(current), before, now, grades))), [NONE, RED, YELLOW, BONE, PURPLE, RED]);
});

test('both grades are shown in one colour or in two', () => {
  const grades = u([YELLOW, RED, RED, RED, RED]);
  const one = graded(after([YELLOW, RED, YELLOW, BONE, PURPLE]), grades, false);
  assert.deepEqual(l(seenOf(one)), [YELLOW, YELLOW, YELLOW, BONE, PURPLE]);
  assert.deepEqual(l(seenOf(graded(one, grades, true))), [YELLOW, RED, RED, BONE, PURPLE]);
});

test('a draft holds the regions of now and those of the measurement', () => {
  const measured = regionsOf(after([REGION, REGION, NONE, BONE]));
  const now = after([REGION, BONE, YELLOW, NONE]);
  const found = unpacked(packed(now, measured));
  assert.deepEqual(l(found.cells), l(now));
  assert.deepEqual(l(found.regions), l(measured));
  assert.equal(unpacked(packed(now, null)).regions, null);
  assert.ok(packed(after([REGION], [BONE], [7]), regionsOf(after([REGION], [BONE])))[0] < 128);
});
