import assert from 'node:assert/strict';
import { mock, test } from 'node:test';

/** As much of an element as the page uses. */
class Element extends EventTarget {
  children = [];
  dataset = {};
  constructor(name) {
    super();
    this.name = name;
  }
  append(...more) {
    this.children.push(...more);
  }
  replaceChildren(...more) {
    this.children = more;
  }
  all(name) {
    const below = this.children.flatMap((child) => (child instanceof Element ? child.all(name) : []));
    return this.name === name ? [this, ...below] : below;
  }
}

const main = new Element('main');
const body = new Element('body');
const told = { prefix: '', reader: null, is_admin: true, has_archive: false, is_blinded: false, login_required: false };
body.dataset.server = JSON.stringify(told);
globalThis.document = Object.assign(new EventTarget(), { body, createElement: (name) => new Element(name), getElementById: () => main });
globalThis.window = globalThis;
globalThis.localStorage = { getItem: (name) => (name === 'vhi_reader' ? 'anna' : null), setItem() {} };
const row = { case: 'a', image: 'a_STIR', study: '1.2', state: 'done', since: null, note: '' };
const rows = [
  { ...row, submission: '0004-anna' },
  { ...row, case: 'b', submission: null },
];
const asked = [];
globalThis.fetch = async (path) => {
  asked.push(path);
  const answers = { '/vhi/worklist/rows': { rows, counts: { done: 2 }, matching: 2, reader: 'anna', reading: 2 } };
  const found = answers[path.split('?')[0]];
  return found ? { ok: true, json: async () => found } : { ok: false, status: 500, json: async () => ({ detail: 'A file is damaged.' }) };
};
await import('../worklist.js');

const byId = (id) => ['input', 'p'].flatMap((name) => main.all(name)).find((one) => one.id === id);

test('the list is there although the progress of the study is not, and the page says why', () => {
  assert.equal(main.all('th').filter((one) => one.scope === 'row').length, 2);
  assert.equal(byId('problem').textContent, 'The progress of the study cannot be shown. A file is damaged.');
});

test('a row leads to its reading of the case, and to the report of that reading where there is one', () => {
  assert.deepEqual(
    main.all('a').map((one) => one.href),
    [
      '/ohif/monai-label?StudyInstanceUIDs=1.2&reading=2',
      '/vhi/report?image=a_STIR&submission=0004-anna&form=html&reader=anna',
      '/ohif/monai-label?StudyInstanceUIDs=1.2&reading=2',
    ],
  );
});

test('what is typed into the filter is asked once, when the typing rests', () => {
  mock.timers.enable({ apis: ['setTimeout'] });
  asked.length = 0;
  for (const value of ['p', 'pa', 'pat']) {
    const event = new Event('input');
    Object.defineProperty(event, 'target', { value: { value } });
    byId('filter').dispatchEvent(event);
    mock.timers.tick(50);
  }
  assert.deepEqual(asked, []);
  mock.timers.tick(1000);
  assert.equal(asked.length, 1);
  assert.match(asked[0], /matching=pat&/);
  mock.timers.reset();
});
