/** The worklist: what to read next, what is begun, done, with somebody else, or waiting and why. */

window.vhi = JSON.parse(document.body.dataset.server);

// these modules look at what the server told when they are loaded
const [{ address, caseAddress, reviewAddress }, { el, button, choice }, api, { namesOf }, { Focus }] = await Promise.all(
  ['addresses', 'dom', 'api', 'patients', 'focus'].map((name) => import(`./${name}.js`)),
);
await import('./session.js');

const { vhi } = window;
const STATES = {
  begun: ['◐', 'begun'],
  open: ['○', 'to read'],
  elsewhere: ['◇', 'with another reader'],
  done: ['●', 'done'],
  waiting: ['!', 'waiting'],
};
const KEYS = {
  n: ['my next case', next],
  '/': ['filter', () => document.getElementById('filter').focus()],
  ArrowDown: ['next row', () => step(1)],
  ArrowUp: ['row before', () => step(-1)],
  Enter: ['open the case of the row', null], // the row's link does that itself
  '?': ['these keys', () => document.getElementById('keys').showModal()],
};
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
const states = el('div', { class: 'line', role: 'group', ariaLabel: 'Which cases' });
const body = el('tbody');
const heads = el('tr');
const focus = new Focus(main);

async function load() {
  const mine = ++isCurrent;
  if (!asked.reader) return say('Enter the name you read under.');
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
  summary.textContent = `${counts.done ?? 0} of ${total} done${left > 0 ? `; ${left} more match, filter to see them` : ''}.`;
  states.replaceChildren(
    ...['', ...Object.keys(STATES)].map((state) =>
      button(state ? `${STATES[state][1]} (${counts[state] ?? 0})` : `all (${total})`, () => change({ state }), {
        ariaPressed: String(asked.state === state),
        data: { state },
      }),
    ),
  );
  heads.replaceChildren(head('Case', 'case'), ...(hasDates() ? [head('Scan', 'date')] : []), head('State', 'state'), head('Handed in', 'since'), el('th', { scope: 'col' }, 'Go to'));
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
  const open = readable ? el('a', { href: caseAddress(row.study, listed.reading) }, row.state === 'done' ? 'Look again' : 'Open') : null;
  const report = row.submission ? el('a', { href: reportAddress(row), target: '_blank' }, 'Report') : null;
  const slicer = row.image && !row.study ? el('span', { class: 'faint' }, 'in 3D Slicer') : null;
  const review = row.study && row.readings > 1 ? el('a', { href: reviewAddress(row.study) }, row.reviewed ? 'Reviewed' : 'Review') : null;
  return [open, report, slicer, review].filter(Boolean).flatMap((link, n) => (n ? [' · ', link] : [link]));
}

const reportAddress = (row) =>
  address(`/vhi/report?${new URLSearchParams({ image: row.image, submission: row.submission, form: 'html', reader: listed.reader })}`);

async function next() {
  try {
    const sample = await api.nextSample('first', { client_id: asked.reader, reading: Number(asked.reading) });
    if (!sample.id) return say(sample.reason ?? 'There is no further case for you.');
    if (sample.StudyInstanceUID && vhi.has_archive) window.location.assign(caseAddress(sample.StudyInstanceUID, asked.reading));
    else {
      await load();
      say(`Your next case is ${sample.id}: press Next Sample in 3D Slicer.`);
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
  : field('Reader', el('input', { id: 'reader', value: asked.reader, size: 12, onchange: (event) => named(event.target.value.trim()) }));

const plain = vhi.has_archive && !vhi.is_blinded ? el('a', { href: address('/ohif/') }, 'All studies of the archive') : null;

main.replaceChildren(
  el(
    'div',
    { class: 'line' },
    button('My next case', next, { class: 'next', id: 'next' }),
    whose,
    field('Reading', choice(readings, asked.reading, (reading) => change({ reading }), { id: 'reading' })),
    field('Filter', el('input', { id: 'filter', type: 'search', oninput: (event) => filter(event.target.value) })),
    button('Keys', KEYS['?'][1]),
    plain,
  ),
  problem,
  states,
  summary,
  el('div', { class: 'wide' }, el('table', {}, el('thead', {}, heads), body)),
  el(
    'dialog',
    { id: 'keys', ariaLabel: 'Keys' },
    el('dl', {}, ...Object.entries(KEYS).flatMap(([key, [words]]) => [el('dt', {}, el('kbd', {}, key)), el('dd', {}, words)])),
    el('form', { method: 'dialog' }, el('button', {}, 'Close')),
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
  const row = ({ reader, reading, done }) => el('tr', {}, el('th', { scope: 'row' }, reader), el('td', {}, reading), el('td', {}, `${done} of ${cases}`));
  main.append(
    el('h2', {}, 'Progress of the study'),
    readers.length
      ? el(
          'table',
          {},
          el('thead', {}, el('tr', {}, ...['Reader', 'Reading', 'Finished'].map((text) => el('th', { scope: 'col' }, text)))),
          el('tbody', {}, ...readers.map(row)),
        )
      : el('p', {}, 'Nothing was handed in yet.'),
    el('p', {}, el('a', { href: address('/vhi/models') }, 'Versions of the networks')),
  );
}

await load();
if (vhi.is_admin) await showProgress().catch((error) => say(`The progress of the study cannot be shown. ${error.message}`));
