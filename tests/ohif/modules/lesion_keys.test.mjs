import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Server, measured } from './six_voxels.mjs';

const { KEYS, watchKeys } = await import('../lesion_keys.js');
const { measure } = await import('../measuring.js');
const { listed } = await import('../panel-lesions.js');
globalThis.document = { querySelector: () => null };

/** A session whose reading is measured, with the list as the panel keeps it. */
async function session() {
  new Server();
  const reading = await measured();
  const list = { sort: null, filter: 'all', of: null, current: null, selected: new Set() };
  const said = [];
  const goTo = ({ id }) => (list.current = id);
  return { reading, list, said, goTo, say: (text) => said.push(text), peek: () => {} };
}

const removed = ({ reading }) => reading.state.decisions.clicks.map(({ voxel, voxels }) => voxels ?? voxel);

test('with Caps Lock a letter is the key that it is without', async () => {
  const pressed = [];
  const plain = Object.fromEntries(Object.entries(KEYS).map(([key, entry]) => [key, [...entry]]));
  for (const key of Object.keys(KEYS)) KEYS[key][1] = () => pressed.push(key);
  watchKeys({ reading: {}, peek: () => {} });
  const press = (key, shiftKey = false) =>
    window.dispatchEvent(Object.assign(new Event('keydown', { cancelable: true }), { key, shiftKey }));
  press('n');
  press('N'); // Caps Lock
  press('N', true);
  press('n', true); // Caps Lock and Shift
  press('?', true);
  press(undefined); // a browser that fills in a field
  assert.deepEqual(pressed, ['n', 'n', 'N', 'N', '?']);
  for (const [key, entry] of Object.entries(plain)) KEYS[key] = entry;
});

test('what was chosen of one measurement is not acted on in another, undone or measured again', async () => {
  const one = await session();
  KEYS.n[1](one);
  one.list.selected = new Set([2, 3]);
  listed(one);
  assert.deepEqual([one.list.current, [...one.list.selected]], [1, [2, 3]]);
  await measure(one.reading);
  KEYS.x[1](one);
  assert.deepEqual(one.said, ['Choose a lesion first: n goes to the next one.']);
  assert.deepEqual(removed(one), []);
  assert.deepEqual([one.list.current, one.list.selected.size], [null, 0]);
  KEYS.n[1](one);
  KEYS.x[1](one); // a gesture is no other measurement
  await one.reading.evaluated();
  assert.equal(one.list.current, 1);
  assert.deepEqual(removed(one), [[0, 0, 0]]);
});

test('lesions that the filter hides are not acted on', async () => {
  const one = await session();
  listed(one);
  Object.assign(one.list, { current: 1, selected: new Set([2, 3]), filter: 'removed' });
  KEYS.x[1](one);
  assert.deepEqual(removed(one), []);
  one.list.filter = 'kept';
  KEYS.x[1](one);
  assert.deepEqual(removed(one), [[[3, 0, 0], [5, 0, 0]]]);
});
