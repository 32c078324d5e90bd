import assert from 'node:assert/strict';
import { test } from 'node:test';

globalThis.window = { vhi: { prefix: '' }, location: {} };
const { goOn, kept } = await import('../restoring.js');
const { measurement } = await import('../measuring.js');
const { Decisions } = await import('../cleaning.js');

const VOXELS = 8;
const FIRST = [1, 2, 3];
const SECOND = [1, 2, 4];

/** A reading with normal bone from two clicks, measured when there was the first one alone; `asked` is what the server is sent. */
function clicked() {
  const asked = [];
  const state = { measured: { options: {}, regions: new Uint8Array(VOXELS), boneClicks: [FIRST] }, decisions: new Decisions() };
  const reading = {
    ...{ options: {}, rating: '', both: true, cells: new Uint8Array(VOXELS), drawable: Promise.resolve(), asked },
    state: { ...state, wasShown: true, isByHand: false, boneClicks: [FIRST, SECOND] },
    effort: { facts: () => ({}), goOn: () => {} },
    labelmap: { place: () => ({ sizes: [2, 2, 2] }) },
    ask: async (model, params, regions, clicks) => {
      asked.push({ model, clicks });
      return { facts: { label_names: {}, lesions: [] }, labels: { data: new Uint8Array(VOXELS) } };
    },
    work: async (_, run) => run(),
    restore: async (cells, restored) => (reading.state = restored),
  };
  return reading;
}

test('a draft keeps the clicks of normal bone, and is measured again with those that it was measured with', async () => {
  const draft = JSON.parse(JSON.stringify(kept(clicked())));
  const reading = { ...clicked() };
  const { asked } = reading;
  reading.restore = async (cells, restored) => (reading.state = restored);
  await goOn(reading, draft);
  assert.deepEqual(asked, [{ model: 'vhi', clicks: [FIRST] }]);
  assert.deepEqual(reading.state.boneClicks, [FIRST, SECOND]);
  assert.deepEqual(reading.state.measured.boneClicks, [FIRST]);
});

test('a measurement sends the clicks of what is drawn now', async () => {
  const reading = clicked();
  await measurement(reading, {}, reading.cells);
  assert.deepEqual(reading.asked, [{ model: 'vhi', clicks: [FIRST, SECOND] }]);
});
