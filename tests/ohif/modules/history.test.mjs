import assert from 'node:assert/strict';
import { test } from 'node:test';

import { History } from '../history.js';

const u = (values) => Uint8Array.from(values);
const l = ({ map, state }) => [Array.from(map), state];

test('undo goes back and redo forward, step by step, with what else was so', () => {
  const history = new History();
  assert.equal(history.note(u([0, 0, 0]), u([1, 0, 0]), 'empty'), true);
  assert.equal(history.note(u([1, 0, 0]), u([1, 2, 2]), 'one'), true);
  assert.deepEqual(l(history.undo(u([1, 2, 2]), 'three')), [[1, 0, 0], 'one']);
  assert.deepEqual(l(history.undo(u([1, 0, 0]), 'one')), [[0, 0, 0], 'empty']);
  assert.equal(history.undo(u([0, 0, 0]), 'empty'), null);
  assert.deepEqual(l(history.redo(u([0, 0, 0]), 'empty')), [[1, 0, 0], 'one']);
  assert.deepEqual(l(history.redo(u([1, 0, 0]), 'one')), [[1, 2, 2], 'three']);
  assert.equal(history.redo(u([1, 2, 2]), 'three'), null);
  assert.deepEqual(l(history.undo(u([1, 2, 2]), 'three')), [[1, 0, 0], 'one']);
});

test('what was undone cannot be done again once something else was done', () => {
  const history = new History();
  history.note(u([0, 0]), u([1, 0]), 'a');
  history.undo(u([1, 0]), 'b');
  assert.equal(history.canRedo, true);
  history.note(u([0, 0]), u([0, 0]), 'a'); // a click that changes nothing
  assert.equal(history.canRedo, true);
  history.note(u([0, 0]), u([0, 3]), 'a');
  assert.equal(history.canRedo, false);
  assert.deepEqual(l(history.undo(u([0, 3]), 'c')), [[0, 0], 'a']);
});

test('what changed no voxel is no step, and the oldest of more than fifty steps is forgotten', () => {
  const history = new History();
  assert.equal(history.note(u([1]), u([1])), false);
  assert.equal(history.canUndo, false);
  for (let n = 0; n < 60; n += 1) history.note(u([n]), u([n + 1]));
  let map = u([60]);
  for (let step = history.undo(map); step; step = history.undo(map)) map = step.map;
  assert.deepEqual(Array.from(map), [10]);
});

test('a step at given places is one even where no voxel changed', () => {
  const history = new History();
  assert.equal(history.note(u([1]), u([1]), 'a', [0]), true);
  const step = history.undo(u([1]), 'b');
  assert.deepEqual([l(step), step.at.length], [[[1], 'a'], 0]);
});

test('a correction of what is so now leaves the steps from here leading where they led', () => {
  const history = new History();
  history.note(u([3, 3, 3]), u([0, 3, 3]), 'a');
  history.note(u([0, 3, 3]), u([0, 0, 3]), 'b');
  history.undo(u([0, 0, 3]), 'c');
  history.amend(u([0, 3, 3]), u([0, 3, 0]), (state) => `${state}!`);
  assert.deepEqual(l(history.redo(u([0, 3, 0]), 'b')), [[0, 0, 3], 'c!']);
  assert.deepEqual(l(history.undo(u([0, 0, 3]), 'c')), [[0, 3, 0], 'b']);
  assert.deepEqual(l(history.undo(u([0, 3, 0]), 'b')), [[3, 3, 3], 'a!']);
});
