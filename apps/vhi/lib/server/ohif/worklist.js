/** The worklist: what to read next, what is begun, done, with somebody else, or waiting and why. */

import { t } from './texts.js';

window.vhi = JSON.parse(document.body.dataset.server);

// these modules look at what the server said when they are loaded
const [{ address, caseAddress, reviewAddress }, { el, button, choice }, api, { namesOf }, { Focus }] = await Promise.all(
  ['addresses', 'dom', 'api', 'patients', 'focus'].map((name) => import(`./${name}.js`)),
);
await import('./session.js');

const { vhi } = window;
const STATES = {
  begun: ['◐', t('worklist.begun')],
  open: ['○', t('worklist.to_read')],
  elsewhere: ['◇', t('worklist.elsewhere')],
  done: ['●', t('worklist.done')],
  waiting: ['!', t('worklist.waiting')],
};
const KEYS = {
  n: [t('worklist.key.next'), next],
  '/': [t('worklist.key.filter'), () => document.getElementById('filter').focus()],
  ArrowDown: [t('worklist.key.down'), () => step(1)],
  ArrowUp: [t('worklist.key.up'), () => step(-1)],
  Enter: [t('worklist.key.open'), null], // the row's link does that itself
  '?': [t('key.help'), () => document.getElementById('keys').showModal()],
};
const KEY_NAMES = { ArrowDown: t('worklist.key.down.name'), ArrowUp: t('worklist.key.up.name') };
const SHOWN = 200;
const READER = 'vhi_reader'; // as the viewer keeps it
const TYPING_MS = 250;
const SORTED = { case: (row) => row.names?.patient ?? row.case, date: (row) => row.names?.date ?? '', state: null, since: (row) => row.since ?? '' };

const asked = { reader: vhi.reader ?? window.localStorage.getItem(READER) ?? '', reading: '1', state: '', matching: '' };
let listed = { rows: [], counts: {}, matching: 0 };
let sorted = { by: 'state', down: false };
let isCurrent = 0;
let typing;

const main = document.getElementById('worklist');
const problem = el('p', { id: 'problem', role: 'alert' });
const summary = el('p', { class: 'faint', role: 'status' });
const states = el('div', { class: 'line', role: 'group', ariaLabel: t('worklist.which') });
const body = el('tbody');
const heads = el('tr');
const focus = new Focus(main);

async function load() {
  const mine = ++isCurrent;
  if (!asked.reader) return say(t('worklist.enter_name'));
  try {
    const found = await api.worklist({ ...asked, limit: SHOWN });
    if (mine !== isCurrent) return; // the filter has moved on
    listed = found;
    say('');
    draw();
    if (vhi.has_archive && !vhi.is_blinded) await name(mine);
  } catch (error) {
    if (mine === isCurrent) say(error.message);
  }
}

/** Patients and dates as the archive has them; where it cannot be asked the cases keep their ids. */
async function name(mine) {
  const names = await namesOf(listed.rows.map((row) => row.study).filter(Boolean));
  if (mine !== isCurrent) return;
  for (const row of listed.rows) row.names = names.get(row.study);
  draw();
}

function say(sentence) {
  problem.textContent = sentence;
}

const draw = () => focus.keep(drawAll);

function drawAll() {
  const { counts, rows, matching } = listed;
  const total = Object.values(counts).reduce((sum, n) => sum + n, 0);
  const left = matching - rows.length;
  const done = counts.done ?? 0;
  summary.textContent = left > 0 ? t('worklist.summary_and_more', { done, total, left }) : t('worklist.summary', { done, total });
  states.replaceChildren(
    ...['', ...Object.keys(STATES)].map((state) =>
      button(state ? `${STATES[state][1]} (${counts[state] ?? 0})` : `${t('worklist.all')} (${total})`, () => change({ state }), {
        ariaPressed: String(asked.state === state),
        data: { state },
      }),
    ),
  );
  heads.replaceChildren(head(t('worklist.case'), 'case'), ...(hasDates() ? [head(t('worklist.scan'), 'date')] : []), head(t('worklist.state'), 'state'), head(t('worklist.handed_in'), 'since'), el('th', { scope: 'col' }, t('worklist.go_to')));
  body.replaceChildren(...inOrder(rows).map(drawn));
}

const hasDates = () => listed.rows.some((row) => row.names);

function head(text, by) {
  const is = sorted.by === by;
  const order = is ? (sorted.down ? 'descending' : 'ascending') : 'none';
  const sort = () => {
    sorted = { by, down: is && !sorted.down };
    draw();
  };
  return el('th', { scope: 'col', ariaSort: order }, button(`${text}${is ? (sorted.down ? ' ▾' : ' ▴') : ''}`, sort, { data: { sort: by } }));
}

function inOrder(rows) {
  const key = SORTED[sorted.by];
  const found = key ? [...rows].sort((a, b) => String(key(a)).localeCompare(String(key(b)), 'en', { numeric: true })) : [...rows];
  return sorted.down ? found.reverse() : found;
}

function drawn(row) {
  const [mark, words] = STATES[row.state];
  return el(
    'tr',
    { data: { case: row.case } },
    el('th', { scope: 'row' }, row.names?.patient || row.case),
    hasDates() ? el('td', {}, row.names?.date ?? '') : null,
    el('td', { class: `state ${row.state}` }, `${mark} ${words}`, row.note ? el('div', { class: 'faint' }, row.note) : null),
    el('td', {}, row.since ? new Date(row.since).toLocaleString('sv').slice(0, 16) : ''),
    el('td', {}, ...links(row)),
  );
}

function links(row) {
  const readable = row.study && row.state !== 'elsewhere';
  const open = readable ? el('a', { href: caseAddress(row.study, listed.reading) }, row.state === 'done' ? t('worklist.look_again') : t('worklist.open')) : null;
  const report = row.submission ? el('a', { href: reportAddress(row), target: '_blank' }, t('report')) : null;
  const slicer = row.image && !row.study ? el('span', { class: 'faint' }, t('worklist.in_slicer')) : null;
  const review = row.study && row.readings > 1 ? el('a', { href: reviewAddress(row.study) }, row.reviewed ? t('worklist.reviewed') : t('review')) : null;
  return [open, report, slicer, review].filter(Boolean).flatMap((link, n) => (n ? [' · ', link] : [link]));
}

const reportAddress = (row) =>
  address(`/vhi/report?${new URLSearchParams({ image: row.image, submission: row.submission, form: 'html', reader: listed.reader })}`);

async function next() {
  try {
    const sample = await api.nextSample('first', { client_id: asked.reader, reading: Number(asked.reading) });
    if (!sample.id) return say(sample.reason ?? t('next.none'));
    if (sample.StudyInstanceUID && vhi.has_archive) window.location.assign(caseAddress(sample.StudyInstanceUID, asked.reading));
    else {
      await load();
      say(t('worklist.next_in_slicer', { id: sample.id }));
    }
  } catch (error) {
    say(error.message);
  }
}

function step(by) {
  const rows = [...body.querySelectorAll('tr')].map((row) => row.querySelector('a')).filter(Boolean);
  const at = rows.findIndex((link) => link.closest('tr').contains(document.activeElement));
  rows[Math.max(0, Math.min(rows.length - 1, at + by))]?.focus();
}

/** What is typed is asked for once the typing rests: every answer walks the whole study. */
function filter(matching) {
  window.clearTimeout(typing);
  typing = window.setTimeout(() => change({ matching }), TYPING_MS);
}

function change(values) {
  Object.assign(asked, values);
  load();
}

function named(value) {
  window.localStorage.setItem(READER, value);
  change({ reader: value });
}

const field = (text, input) => el('label', {}, text, input);
const readings = Object.fromEntries([1, 2, 3].map((n) => [n, String(n)]));
const whose = vhi.login_required
  ? null
  : field(t('reader'), el('input', { id: 'reader', value: asked.reader, size: 12, onchange: (event) => named(event.target.value.trim()) }));

const plain = vhi.has_archive && !vhi.is_blinded ? el('a', { href: address('/ohif/') }, t('worklist.all_studies')) : null;

main.replaceChildren(
  el(
    'div',
    { class: 'line' },
    button(t('worklist.next'), next, { class: 'next', id: 'next' }),
    whose,
    field(t('worklist.reading'), choice(readings, asked.reading, (reading) => change({ reading }), { id: 'reading' })),
    field(t('worklist.filter'), el('input', { id: 'filter', type: 'search', oninput: (event) => filter(event.target.value) })),
    button(t('keys'), KEYS['?'][1]),
    plain,
  ),
  problem,
  states,
  summary,
  el('div', { class: 'wide' }, el('table', {}, el('thead', {}, heads), body)),
  el(
    'dialog',
    { id: 'keys', ariaLabel: t('keys') },
    el('dl', {}, ...Object.entries(KEYS).flatMap(([key, [words]]) => [el('dt', {}, el('kbd', {}, KEY_NAMES[key] ?? key)), el('dd', {}, words)])),
    el('form', { method: 'dialog' }, el('button', {}, t('close'))),
  ),
);

document.addEventListener('keydown', (event) => {
  const isTyping = event.target.matches('input, select, textarea') && event.key !== 'ArrowDown';
  if (isTyping || event.ctrlKey || event.altKey || event.metaKey) return;
  const work = KEYS[event.key]?.[1];
  if (!work || document.getElementById('keys').open) return;
  event.preventDefault();
  work();
});

/** For administrators, below the list: how far each reader is. */
async function showProgress() {
  const { readers, cases } = await api.progress();
  const row = ({ reader, reading, done }) => el('tr', {}, el('th', { scope: 'row' }, reader), el('td', {}, reading), el('td', {}, t('worklist.done_of', { done, cases })));
  main.append(
    el('h2', {}, t('worklist.progress')),
    readers.length
      ? el(
          'table',
          {},
          el('thead', {}, el('tr', {}, ...[t('reader'), t('worklist.reading'), t('worklist.finished')].map((text) => el('th', { scope: 'col' }, text)))),
          el('tbody', {}, ...readers.map(row)),
        )
      : el('p', {}, t('worklist.nothing_yet')),
    el('p', {}, el('a', { href: address('/vhi/models') }, t('worklist.versions'))),
  );
}

await load();
if (vhi.is_admin) await showProgress().catch((error) => say(t('worklist.no_progress', { why: error.message })));
