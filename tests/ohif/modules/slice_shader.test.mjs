import assert from 'node:assert/strict';
import { test } from 'node:test';

const { drawsBySoftware } = await import('../slice_shader.js');

test('a context is asked once what it draws with: each answer waits for what was drawn before', () => {
  let asked = 0;
  const context = (name) => ({ getExtension: () => ({ UNMASKED_RENDERER_WEBGL: 1 }), getParameter: () => ((asked += 1), name) });
  const [software, card] = [context('ANGLE (Google, SwiftShader Device)'), context('NVIDIA')];
  assert.deepEqual([1, 2, 3].map(() => [drawsBySoftware(software), drawsBySoftware(card)]), Array(3).fill([true, false]));
  assert.equal(asked, 2);
});
