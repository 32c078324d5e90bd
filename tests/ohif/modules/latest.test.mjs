import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Latest } from '../latest.js';

test('of questions that come while one is asked the newest alone is asked next, and old answers are dropped', async () => {
  const [asked, taken, screen] = [[], [], { wanted: 'a' }];
  const latest = new Latest(
    () => screen.wanted,
    async (about) => {
      asked.push(about);
      if (about === 'a') screen.wanted = 'c'; // "b" came and went meanwhile
      return about.toUpperCase();
    },
    (about, answer) => {
      taken.push(answer);
      screen.wanted = null;
    },
    assert.fail,
  );
  await Promise.all([latest.settle(), latest.settle()]);
  assert.deepEqual([asked, taken], [['a', 'c'], ['C']]);
});

test('a refusal is told once, unless something else is asked by then', async () => {
  const [told, screen] = [[], { wanted: 'a' }];
  const latest = new Latest(
    () => screen.wanted,
    async (about) => {
      if (about === 'a') screen.wanted = 'b';
      throw new Error(`no ${about}`);
    },
    assert.fail,
    (error) => told.push(error.message),
  );
  await latest.settle();
  assert.deepEqual(told, ['no b']);
});
