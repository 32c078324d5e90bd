import assert from 'node:assert/strict';
import { test } from 'node:test';

globalThis.window = { vhi: { prefix: '' } };
const { Labelmap } = await import('../labelmap.js');

test('slices that change are written and told, the others left alone', () => {
  const held = [0, 1, 2].map(() => new Uint8Array(4));
  const told = [];
  const triggerSegmentationDataModified = (id, slices) => told.push([id, slices]);
  Object.assign(window, {
    cornerstone: { cache: { getImage: (n) => ({ voxelManager: { getScalarData: () => held[n] } }) } },
    cornerstoneTools: { segmentation: { triggerSegmentationEvents: { triggerSegmentationDataModified } } },
  });
  const voxelManager = { modifiedSlices: new Set() };
  const volume = { dimensions: [2, 2, 3], imageIds: [0, 1, 2], voxelManager };
  const labelmap = new Labelmap({ segmentationService: { getSegmentation: () => ({}), getLabelmapVolume: () => volume } }, {});
  labelmap.write(Uint8Array.from([0, 0, 0, 0, 0, 3, 0, 0, 4, 0, 0, 0]));
  labelmap.write(Uint8Array.from([0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0]));
  assert.deepEqual(held.map((slice) => [...slice]), [[0, 0, 0, 0], [0, 3, 0, 0], [0, 0, 0, 0]]);
  assert.deepEqual(told, [['1', [1, 2]], ['1', [2]]]);
  assert.deepEqual([[...voxelManager.modifiedSlices], voxelManager.boundsIJK], [[1, 2], [[0, 1], [0, 1], [0, 2]]]);
});
