import assert from 'node:assert/strict';
import { test } from 'node:test';

import { mapOfRuns, runsOf } from '../runs.js';

test('a map comes back voxel for voxel', () => {
  let seed = 7;
  const random = (below) => (seed = (seed * 48271) % 2147483647) % below;
  for (let n = 0; n < 30; n += 1) {
    const map = new Uint8Array(5000 + random(3000));
    for (let at = 0; at < map.length; at += 1 + random(900)) map.fill(random(128), at, at + random(500));
    assert.deepEqual(mapOfRuns(runsOf(map), map.length), map);
  }
});

test('a large map of few lesions takes little room, and one of noise no more than its voxels take', () => {
  const map = new Uint8Array(336 * 336 * 25);
  for (let n = 0; n < 400; n += 1) map.fill(3, 5000 * n, 5000 * n + 9);
  assert.ok(runsOf(map).length < 6000);
});

test('a map of another length is refused', () => {
  const text = runsOf(new Uint8Array(10));
  for (const length of [9, 11]) assert.throws(() => mapOfRuns(text, length), /has not the \d+ voxels of this series/);
});
