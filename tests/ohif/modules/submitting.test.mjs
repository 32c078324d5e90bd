import assert from 'node:assert/strict';
import { test } from 'node:test';

globalThis.window = { vhi: { prefix: '' }, location: { assign: (to) => (window.went = to) }, confirm: () => true };
const { next, submit } = await import('../submitting.js');

/** What the page sent, and what the server answers in turn. */
function server(...answers) {
  const asked = [];
  window.fetch = async (path, { body }) => {
    const [status, content] = answers[asked.length];
    asked.push({ path, params: JSON.parse(body instanceof FormData ? body.get('params') : body) });
    return { ok: status === 200, status, json: async () => content };
  };
  return asked;
}

function opened() {
  const reading = {
    case: { stir: '1.2' }, state: { version: 3 }, rating: '', submitted: null, now: null, question: null, message: '',
    effort: { facts: () => ({ clicks: 1 }) },
    evaluated: async () => {},
    sent: () => ({ label: new Blob(['map']), names: [{ name: 'disease region', idx: [1] }], terms: {} }),
    params: (more = {}) => ({ client_id: 'anna', ...more }),
    work: async (_, run) => run().catch((error) => (reading.message = error.message)),
  };
  const keeper = { handingIn: async () => 'draft-1', handedIn: () => (keeper.done = true), notHandedIn: () => (keeper.done = false) };
  return { reading, keeper };
}

const DOUBT = { detail: 'It fits better upside down. Nothing was kept.', doubts: ['It fits better upside down.'], picture: 'data:,' };
const NUMBER = { detail: 'The number on the screen is not the one.', would_be: { result_id: 'abc' } };
const MADE = { submission_id: '0001-anna', measured: false, messages: [] };

test('a doubted region is asked about with its picture, and handed in once the reader says that it is right', async () => {
  const { reading, keeper } = opened();
  const asked = server([409, DOUBT], [200, MADE]);
  await submit(reading, keeper);
  assert.equal(asked[0].params.doubts, 'ask');
  assert.deepEqual([reading.question.text, reading.question.picture, keeper.done], [DOUBT.detail, 'data:,', false]);
  await submit(reading, keeper, { ...reading.question.sent, doubts: 'confirmed' });
  assert.equal(asked[1].params.doubts, 'confirmed');
  assert.deepEqual([reading.question, reading.submitted.submission_id, keeper.done], [null, '0001-anna', true]);
});

test('what was confirmed of a region stays confirmed while another number is asked about', async () => {
  const { reading, keeper } = opened();
  const asked = server([409, DOUBT], [409, NUMBER], [200, MADE]);
  await submit(reading, keeper);
  await submit(reading, keeper, { ...reading.question.sent, doubts: 'confirmed' });
  await submit(reading, keeper, { ...reading.question.sent, confirmed: reading.question.would_be.result_id });
  assert.deepEqual([asked[2].params.doubts, asked[2].params.confirmed], ['confirmed', 'abc']);
});

test('another refusal is a message and no question', async () => {
  const { reading, keeper } = opened();
  server([422, { detail: 'The disk is full.' }]);
  await submit(reading, keeper);
  assert.deepEqual([reading.question, reading.message], [null, 'The disk is full.']);
});

test('a case is skipped by its image, and where there is no other the page says why', async () => {
  const { reading } = opened();
  const asked = server([200, { StudyInstanceUID: '9' }], [200, { reason: 'There is no further case for you. Of 2 cases: 2 finished.' }]);
  await next(reading, true);
  assert.deepEqual([asked[0].path, asked[0].params], ['/activelearning/first', { client_id: 'anna', skip: '1.2' }]);
  assert.equal(window.went, '/ohif/monai-label?StudyInstanceUIDs=9');
  await next(reading);
  assert.deepEqual(asked[1].params, { client_id: 'anna' });
  assert.equal(reading.message, 'There is no further case for you. Of 2 cases: 2 finished.');
});

test('the next case of a later reading opens in that reading', async () => {
  server([200, { StudyInstanceUID: '9' }]);
  await next(Object.assign(opened().reading, { number: 2 }));
  assert.equal(window.went, '/ohif/monai-label?StudyInstanceUIDs=9&reading=2');
});
