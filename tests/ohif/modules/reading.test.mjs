import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Server, measured, opened, shown } from './six_voxels.mjs';

const { clean, decide } = await import('../measuring.js');
const { goOn, kept } = await import('../restoring.js');
const FIRST = [0, 0, 0];
const SECOND = [3, 0, 0];

async function done(reading, what) {
  await what();
  await reading.evaluated();
}

test('undo and redo around a corrected answer show the numbers of what is on screen', async () => {
  const server = new Server();
  const reading = await measured({ proposal: 'apply' });
  assert.deepEqual(shown(reading), ['110101', 4]);
  server.leavesOut = [3]; // another version of the cleaning proposal
  server.messages = ['Taken out by the cleaning proposal: 1 voxel.'];
  await done(reading, () => clean(reading, 'remove', FIRST));
  assert.deepEqual(shown(reading), ['000100', 1]);
  assert.match(reading.message, /^The server leaves something else .* Taken out by the cleaning proposal: 1 voxel\.$/);
  await done(reading, () => reading.undo());
  assert.deepEqual(shown(reading), ['110101', 4]);
  assert.equal(server.previews, 1);
  assert.equal(reading.message, '');
  await done(reading, () => reading.undo(true));
  assert.deepEqual(shown(reading), ['000100', 1]);
});

test('steps that were undone before an answer was corrected come back as they were', async () => {
  const server = new Server();
  const reading = await measured({ proposal: 'apply' });
  clean(reading, 'remove', FIRST);
  clean(reading, 'remove', SECOND); // the first of the two is not answered for
  await reading.evaluated();
  assert.deepEqual(shown(reading), ['000001', 1]);
  server.leavesOut = [3];
  await done(reading, () => reading.undo());
  assert.deepEqual(shown(reading), ['000100', 1]);
  await done(reading, () => reading.undo(true));
  assert.deepEqual(shown(reading), ['000001', 1]);
  await done(reading, () => reading.undo());
  await done(reading, () => reading.undo());
  assert.deepEqual(shown(reading), ['110101', 4]);
});

test('what the server says of clicks is no message where it leaves what was drawn', async () => {
  const server = new Server();
  const reading = await measured();
  server.messages = ['Correction: 1 lesion removed, 2 lesions kept.'];
  await done(reading, () => clean(reading, 'remove', FIRST));
  assert.equal(reading.message, '');
});

test('a gesture that changes no voxel is a step of its own, taken back alone', async () => {
  const server = new Server();
  const reading = await measured();
  await done(reading, () => clean(reading, 'remove', FIRST));
  server.refuses = 'The disk is full.';
  clean(reading, 'restore', SECOND); // which nothing had removed
  await assert.rejects(reading.evaluated(), /The disk is full\. Redo tries the last step again\./);
  assert.deepEqual(shown(reading), ['000101', 2]);
  assert.equal(reading.state.decisions.size, 1);
  server.refuses = '';
  await done(reading, () => reading.undo(true));
  assert.equal(reading.state.decisions.size, 2);
  await done(reading, () => reading.undo());
  assert.deepEqual([reading.state.decisions.size, ...shown(reading)], [1, '000101', 2]);
});

test('a draft whose proposal leaves something else now has the numbers of its own voxels', async () => {
  const server = new Server();
  const before = await measured({ proposal: 'apply' });
  const draft = { state: JSON.parse(JSON.stringify(kept(before).state)), map: kept(before).map };
  server.leavesOut = [3];
  const reading = opened();
  await goOn(reading, draft);
  await reading.evaluated();
  assert.deepEqual(shown(reading), ['110101', 4]);
  await done(reading, () => clean(reading, 'remove', FIRST));
  assert.deepEqual(shown(reading), ['000101', 2]);
});

test('a draft as it was measured takes the numbers of the answer to a click', async () => {
  const server = new Server();
  const before = await measured({ proposal: 'apply' });
  await done(before, () => clean(before, 'remove', SECOND));
  const reading = opened();
  await goOn(reading, { state: JSON.parse(JSON.stringify(kept(before).state)), map: kept(before).map });
  await reading.evaluated();
  const { previews } = server;
  await done(reading, () => clean(reading, 'remove', FIRST));
  assert.deepEqual([...shown(reading), server.previews], ['000001', 1, previews]);
});

test('keeping one lesion alone decides of all, reopened too', async () => {
  new Server();
  const reading = await measured({ proposal: 'apply' });
  await done(reading, () => decide(reading, { what: 'only', scope: 'lesion', voxel: FIRST }));
  const again = opened();
  await goOn(again, { state: JSON.parse(JSON.stringify(kept(reading).state)), map: kept(reading).map });
  for (const one of [reading, again]) assert.deepEqual([...one.state.decisions.lesions].sort(), [1, 2, 3]);
});

test('what is drawn is one step where it changes a voxel, in the grade of each voxel, and none where it changes nothing', async () => {
  new Server();
  const { erased, painted } = await import('../cells.js');
  const reading = await measured();
  reading.preview([0, 1, 2], erased);
  assert.deepEqual([...reading.labelmap.map], [0, 0, 0, 3, 0, 3]);
  reading.preview([0, 1, 2], (cell) => cell); // given up
  assert.deepEqual([shown(reading)[0], reading.effort.strokes], ['110101', 0]);
  await done(reading, () => reading.draw([1, 2], (cell) => painted(cell, 3)));
  assert.deepEqual([...shown(reading), reading.effort.strokes], ['111101', 5, 1]);
  await done(reading, () => reading.draw([1, 2], (cell) => painted(cell, 3)));
  assert.equal(reading.effort.strokes, 1);
  await done(reading, () => reading.draw([0, 1, 4], erased));
  assert.deepEqual([...shown(reading), reading.effort.strokes], ['001101', 3, 2]);
  await done(reading, () => reading.undo());
  assert.deepEqual(shown(reading), ['111101', 5]);
  await done(reading, () => reading.undo());
  assert.deepEqual(shown(reading), ['110101', 4]);
  await done(reading, () => reading.undo(true));
  assert.deepEqual(shown(reading), ['111101', 5]);
});
