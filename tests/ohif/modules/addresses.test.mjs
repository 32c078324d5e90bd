import assert from 'node:assert/strict';
import { test } from 'node:test';

globalThis.window = { vhi: { prefix: '/vhi-server' }, location: { search: '' } };
const { caseAddress, readingAsked } = await import('../addresses.js');

test('a later reading of a study is in its address, and the page that is opened there is of that reading', () => {
  assert.equal(caseAddress('1.2'), '/vhi-server/ohif/monai-label?StudyInstanceUIDs=1.2');
  for (const reading of ['1', '2', 3]) {
    window.location.search = new URL(caseAddress('1.2', reading), 'http://localhost').search;
    assert.equal(readingAsked(), Number(reading));
  }
});

test('what is no number of a reading is the first one', () => {
  for (const asked of ['0', '-1', '1.5', 'two', '100', '']) {
    window.location.search = `?reading=${asked}`;
    assert.equal(readingAsked(), 1, asked);
  }
});
