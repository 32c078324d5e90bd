import assert from 'node:assert/strict';
import { test } from 'node:test';

const asked = [];
let goesBack = null; // what is told of the browser's back and forward
const answers = {
  '/vhi/study?study=1.2': { t1w: '5', stir: '6' },
  '/vhi/study?study=1.3': { why: 'images are arriving' },
  '/proxy/dicom/wado/studies/1.2/metadata': [{ '0020000D': {} }],
};

globalThis.window = {
  vhi: { prefix: '' },
  location: { href: 'http://host/ohif/', search: '' },
  history: { pushState: () => asked.push('shown') },
  addEventListener: (name, heard) => (goesBack = heard),
  fetch: async (path) => {
    asked.push(path);
    return { ok: path in answers, json: async () => answers[path], body: new ReadableStream({ start: (one) => one.close() }) };
  },
};
globalThis.ProgressEvent = Event;
globalThis.XMLHttpRequest = class extends EventTarget {
  open() {}
  send() {
    asked.push('sent by the viewer');
  }
};
const { answerFrames } = await import('../images_ahead.js');
const { caseAhead, lookAheadAlways } = await import('../case_ahead.js');
const settled = () => new Promise((resolve) => setTimeout(resolve, 5));

answerFrames();
lookAheadAlways();
const taken = () => asked.splice(0);

/** What the viewer is given of an address that it asks for; undefined where the request is sent. */
function given(path) {
  const request = new XMLHttpRequest();
  request.open('GET', `http://host${path}`);
  const found = new Promise((resolve) => request.addEventListener('load', () => resolve([request.status, request.getResponseHeader('Content-Type'), request.response])));
  request.send();
  return Promise.race([found, settled()]);
}

test('a case is asked for at the click that opens it, its images after its metadata', async () => {
  assert.deepEqual(taken(), []);
  window.history.pushState({}, '', '/ohif/monai-label?StudyInstanceUIDs=1.2');
  assert.deepEqual(taken(), ['/vhi/study?study=1.2', '/proxy/dicom/wado/studies/1.2/metadata', 'shown']);
  await settled();
  assert.deepEqual(taken(), ['/proxy/dicom/wado/studies/1.2/series/6', '/proxy/dicom/wado/studies/1.2/series/5']);
  const { case: found } = await caseAhead('1.2');
  assert.deepEqual(found, { study: '1.2', t1w: '5', stir: '6' });
  const path = '/proxy/dicom/wado/studies/1.2/metadata';
  assert.deepEqual(await given(path), [200, 'application/dicom+json', answers[path]]);
  assert.deepEqual(taken(), []);
  assert.equal(await given(path), undefined); // once: the viewer may change what it has
  assert.deepEqual(taken(), ['sent by the viewer']);
});

test('of a case that the viewer has already, and of one that is none, no images or metadata are asked for', async () => {
  window.history.pushState({}, '', '/ohif/monai-label?StudyInstanceUIDs=1.2');
  await settled();
  assert.deepEqual(taken(), ['/vhi/study?study=1.2', 'shown']);
  window.history.pushState({}, '', '/ohif/monai-label?StudyInstanceUIDs=1.3');
  await settled();
  assert.deepEqual(taken(), ['/vhi/study?study=1.3', '/proxy/dicom/wado/studies/1.3/metadata', 'shown']);
  assert.match((await caseAhead('1.3')).why, /images are arriving/);
  assert.equal(await given('/proxy/dicom/wado/studies/1.3/metadata'), undefined); // it could not be had: the viewer asks itself
  assert.deepEqual(taken(), ['sent by the viewer']);
});

test('an answer is given once: a case that is opened again is asked for again', async () => {
  window.history.pushState({}, '', '/ohif/monai-label?StudyInstanceUIDs=1.2');
  await caseAhead('1.2');
  await settled();
  taken();
  await caseAhead('1.2');
  assert.deepEqual(taken(), ['/vhi/study?study=1.2']);
});

test('the browser goes back to the list and forward to a case', async () => {
  window.history.pushState({}, '', '/ohif/monai-label?StudyInstanceUIDs=1.2');
  window.location.href = 'http://host/ohif/';
  goesBack();
  taken();
  await caseAhead('1.2');
  assert.deepEqual(taken(), ['/vhi/study?study=1.2']); // nothing was kept for it
  window.location.href = 'http://host/ohif/monai-label?StudyInstanceUIDs=1.2';
  goesBack();
  assert.deepEqual(taken(), ['/vhi/study?study=1.2']);
  window.location.href = 'http://host/ohif/';
});

test('images of a case that was left before any was wanted are asked for at its next opening', async () => {
  answers['/vhi/study?study=1.4'] = { t1w: '7', stir: '8' };
  answers['/proxy/dicom/wado/studies/1.4/metadata'] = [];
  const images = ['/proxy/dicom/wado/studies/1.4/series/8', '/proxy/dicom/wado/studies/1.4/series/7'];
  for (let opening = 0; opening < 2; opening += 1) {
    window.history.pushState({}, '', '/ohif/monai-label?StudyInstanceUIDs=1.4');
    await settled();
    assert.deepEqual(taken().slice(-2), images);
    window.history.pushState({}, '', '/ohif/');
    taken();
  }
});

test('other pages of the viewer are asked nothing for', async () => {
  for (const url of ['/ohif/', '/ohif/monai-label', '/ohif/segmentation?StudyInstanceUIDs=1.2', undefined]) window.history.pushState({}, '', url);
  assert.deepEqual(new Set(taken()), new Set(['shown']));
  await caseAhead('1.2');
  assert.deepEqual(taken(), ['/vhi/study?study=1.2']); // asked when it is opened by another way
});
