import assert from 'node:assert/strict';
import { test } from 'node:test';

import { simplified } from '../gestures.js';

test('a path is drawn with few corners, and those that matter stay', () => {
  const along = Array.from({ length: 101 }, (_, n) => [n, 0]);
  assert.deepEqual(simplified(along), [[0, 0], [100, 0]]);
  const corner = [...along, ...Array.from({ length: 50 }, (_, n) => [100, n + 1])];
  assert.deepEqual(simplified(corner), [[0, 0], [100, 0], [100, 50]]);
  const wild = Array.from({ length: 3000 }, (_, n) => [100 * Math.sin(n), 100 * Math.cos(n * 1.7)]);
  assert.ok(simplified(wild).length <= 100);
  assert.deepEqual(simplified([[1, 1]]), [[1, 1]]);
});
