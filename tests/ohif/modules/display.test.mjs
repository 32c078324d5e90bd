import assert from 'node:assert/strict';
import { test } from 'node:test';

const { contentRange } = await import('../display.js');

test('the range of a scan is that of every 37th voxel, wherever slices begin', () => {
  const all = Int16Array.from({ length: 41 * 53 }, (_, n) => ((n * 7919) % 1000) - 100);
  const some = [...all].filter((value, n) => n % 37 === 0 && value > 0).sort((one, other) => one - other);
  const expected = [0.01, 0.99].map((share) => some[Math.round(share * (some.length - 1))]);
  for (const length of [all.length, 53, 41, 20]) {
    const slices = Array.from({ length: Math.ceil(all.length / length) }, (_, n) => all.subarray(n * length, (n + 1) * length));
    assert.deepEqual(contentRange(slices), expected);
  }
  assert.equal(contentRange([new Int16Array(500), new Int16Array(500)]), null);
});
