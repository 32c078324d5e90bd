import assert from 'node:assert/strict';
import { test } from 'node:test';

const { setColoursAtOnce } = await import('../label_colours.js');

/** The viewer's colour function, that counts how often it is sorted. */
function colourFunction() {
  let nodes = [];
  const own = {
    sorted: 0,
    setNodes: (given) => ((nodes = given), (own.sorted += 1)),
    getSize: () => nodes.length,
    getNodeValue: (n, into) => (Object.assign(into, [nodes[n].x, nodes[n].r, nodes[n].g, nodes[n].b]), 1),
    addRGBPoint: (x, r, g, b) => ((nodes[x] = { x, r, g, b }), (own.sorted += 1), x),
  };
  return Object.freeze(Object.assign(Object.create({ get count() { return own.sorted; } }), own));
}

test('all colours are there before the viewer adds them one by one, and another colour is still set', () => {
  const table = Array.from({ length: 255 }, (_, n) => [n, (3 * n) % 256, 7, 255]);
  const plain = colourFunction();
  const shown = { colorLUTIndex: 4, config: { cfun: plain } };
  const state = { getSegmentationRepresentations: () => [shown], getColorLUT: (index) => (index === 4 ? table : []) };
  globalThis.window = { cornerstoneTools: { segmentation: { state } } };
  setColoursAtOnce('vhi-stir', '1');
  setColoursAtOnce('vhi-stir', '1');
  const { cfun } = shown.config;
  table.forEach(([r, g, b], x) => cfun.addRGBPoint(x, r / 255, g / 255, b / 255));
  assert.equal(plain.count, 1);
  const node = [];
  cfun.getNodeValue(254, node);
  assert.deepEqual(node, [254, 254 / 255, 250 / 255, 7 / 255]);
  cfun.addRGBPoint(3, 1, 0, 0);
  cfun.getNodeValue(3, node);
  assert.deepEqual([plain.count, ...node], [2, 3, 1, 0, 0]);
});

test('a label map that is not shown yet is left alone', () => {
  globalThis.window = { cornerstoneTools: { segmentation: { state: { getSegmentationRepresentations: () => [] } } } };
  setColoursAtOnce('vhi-stir', '1');
});
