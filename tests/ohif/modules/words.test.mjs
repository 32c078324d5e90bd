import assert from 'node:assert/strict';
import { test } from 'node:test';

const { bitsIn, differing, filled } = await import('../words.js');

/** A map of some length with voxels at some places, maybe in the middle of a buffer. */
function mapOf(length, voxels, offset = 0) {
  const map = new Uint8Array(new ArrayBuffer(length + offset + 3), offset, length);
  for (const [place, value] of Object.entries(voxels)) map[place] = value;
  return map;
}

test('places are those of the words in which anything lies, and those behind the last word', () => {
  assert.deepEqual([...filled(mapOf(12, { 5: 1 }))], [4, 5, 6, 7]);
  assert.deepEqual([...filled(mapOf(14, { 0: 255 }))], [0, 1, 2, 3, 12, 13]);
  assert.deepEqual([...filled(mapOf(12, { 5: 1 }), mapOf(12, { 11: 9 }))], [4, 5, 6, 7, 8, 9, 10, 11]);
});

test('where two maps differ is among the places, wherever a map lies in its buffer', () => {
  for (const offset of [0, 1, 2, 3]) {
    const [one, other] = [mapOf(11, { 1: 2, 9: 4 }, offset), mapOf(11, { 1: 2, 6: 3, 9: 5 })];
    assert.deepEqual([...differing(one, other)], [4, 5, 6, 7, 8, 9, 10]);
    assert.deepEqual([...filled(one)].filter((n) => one[n]), [1, 9]);
  }
  assert.deepEqual([...differing(mapOf(8, { 3: 128 }), mapOf(8, { 3: 128 }))], []);
});

test('bits are gathered of every voxel, also behind the last word', () => {
  assert.deepEqual([bitsIn(mapOf(9, {})), bitsIn(mapOf(9, { 3: 128, 6: 1 })), bitsIn(mapOf(9, { 8: 16, 0: 2 }, 1))], [0, 129, 18]);
});
