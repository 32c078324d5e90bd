/** Parts of the panel: the list of lesions, and the tools that clean them. */

import { fates } from './cleaning.js';
import { button, choice, el } from './dom.js';
import { AREAS } from './gestures.js';
import { clean, decide } from './measuring.js';
import { CLEANING, SPLIT } from './tools.js';

const PURPLE = 'rgb(200,90,255)';
const FILTERS = { all: 'all', kept: 'kept', removed: 'removed', unsure: 'unsure' };
const GONE = ['removed', 'proposed'];
const FEWEST_ROWS = 6; // in sight in a low window

/** Columns: heading, whether it is of numbers, and what it sorts by; a number is largest first. */
const COLUMNS = [
  { text: 'No.', by: null },
  { text: 'Slice', isNumber: true, by: ({ lesion }) => lesion.slice },
  { text: 'Side', by: ({ lesion }) => lesion.side },
  { text: 'mm³', isNumber: true, by: ({ mm3 }) => -mm3.sensitive },
  { text: 'red', isNumber: true, by: ({ mm3 }) => -mm3.conservative },
  { text: '?', title: 'doubt of the proposal', isOfProposal: true, by: ({ lesion }) => Math.abs(lesion.probability - 0.5) },
];

/** Ids are those of one measurement: what was chosen of another is forgotten. */
function forgetOthers(list, measured) {
  if (list.of !== measured) Object.assign(list, { of: measured, current: null, selected: new Set() });
}

/** The lesions as they are listed: sorted, filtered, each with what became of it and what it counts. */
export function listed(desk) {
  const { reading, list } = desk;
  if (!reading?.facts) return Object.assign([], { whole: [] });
  const { measured, decisions } = reading.state;
  forgetOthers(list, measured);
  const left = measured.lesions.left(reading.cells);
  const fate = fates(reading.facts.lesions, left, measured.options.proposal === 'apply', decisions);
  const voxel = reading.facts.voxel_volume_mm3;
  const rows = reading.facts.lesions.map((lesion) => {
    const [became, rest] = [fate.get(lesion.id), left.get(lesion.id)];
    const isGone = GONE.includes(became);
    const now = { sensitive: rest.sensitive * voxel, conservative: rest.conservative * voxel };
    return { lesion, fate: became, isGone, left: rest, mm3: isGone ? lesion.vhi_mm3 : now };
  });
  const shown = rows.filter(({ lesion, isGone }) => {
    if (list.filter === 'unsure') return lesion.uncertain;
    return list.filter === 'all' || (list.filter === 'removed') === isGone;
  });
  const value = COLUMNS.find(({ text }) => text === list.sort)?.by;
  if (value) {
    shown.sort((one, other) => {
      const [a, b] = [value(one), value(other)];
      return (a > b) - (a < b) || one.lesion.id - other.lesion.id;
    });
  }
  return Object.assign(shown, { whole: rows });
}

export function lesionSection(desk) {
  const { reading, list } = desk;
  if (!reading?.facts) return null;
  const rows = listed(desk);
  const sort = (text) => desk.setList({ sort: list.sort === text ? null : text });
  const isProposed = rows.whole.some(({ lesion }) => lesion.keep !== undefined);
  const head = COLUMNS.filter(({ isOfProposal }) => isProposed || !isOfProposal).map(({ text, title = text, isNumber, by }) =>
    el(
      'th',
      { class: isNumber ? 'number' : '', scope: 'col', ariaSort: list.sort === text ? 'ascending' : 'none' },
      by ? button(text, () => sort(text), { title: `Sort by ${title}`, data: { sort: text } }) : text,
    ),
  );
  const table = el(
    'table',
    {},
    el('thead', {}, el('tr', {}, head, el('th', { scope: 'col' }, el('span', { class: 'unseen' }, 'Remove or restore')))),
    el(
      'tbody',
      {},
      rows.map((row) => lesionRow(desk, row, rows)),
      paintedRow(reading, rows.whole.map(({ left }) => left)),
    ),
  );
  return el(
    'section',
    { class: 'list', style: `--rows: ${Math.min(rows.length, FEWEST_ROWS)}` },
    el('h3', {}, 'Lesions'),
    cleaningRow(desk),
    el(
      'div',
      { class: 'line tight' },
      el('label', { class: 'line tight grow' }, 'List', choice(FILTERS, list.filter, (filter) => desk.setList({ filter }), { id: 'vhi-filter' })),
      `${rows.length} of ${rows.whole.length}`,
      toolButton(desk)(SPLIT, 'Split', 'Click a lesion to split it at its narrowest bridge, or draw a stroke right across it'),
    ),
    selectedRow(desk, rows),
    el('div', { class: 'lesions' }, table),
  );
}

const SAID = { kept: '', part: ' (part)', removed: '', proposed: ' (left out)' };
const number = (text) => el('td', { class: 'number' }, text);
const english = new Intl.NumberFormat('en'); // made once: a list has hundreds of numbers
const whole = (value) => english.format(Math.round(value));

/** A lesion of the measurement, with what is left of it; all of it where it is gone. */
function lesionRow(desk, { lesion, fate, isGone, mm3 }, rows) {
  const { reading, list } = desk;
  const act = (event) => {
    event.stopPropagation();
    clean(reading, isGone ? 'restore' : 'remove', lesion.voxel);
  };
  const pick = (event) => {
    if (event.shiftKey) list.selected = between(rows, list.current, lesion.id);
    else if (event.ctrlKey || event.metaKey) list.selected = toggled(list.selected, lesion.id);
    else list.selected = new Set();
    desk.goTo(lesion);
  };
  return el(
    'tr',
    {
      class: [fate, list.selected.has(lesion.id) ? 'selected' : '', list.current === lesion.id ? 'current' : ''].join(' ').trim(),
      title: fate === 'proposed' ? `Left out by the cleaning proposal: ${lesion.reason}` : (lesion.reason ?? 'Show this lesion'),
      data: { lesion: lesion.id },
      tabIndex: 0,
      ariaCurrent: String(list.current === lesion.id),
      ariaSelected: String(list.selected.has(lesion.id)),
      onclick: pick,
      onkeydown: (event) => {
        if (event.key === 'Enter' && event.target.matches('tr')) pick(event);
      },
    },
    el('td', {}, `${lesion.id}${lesion.of && lesion.of !== lesion.id ? ` of ${lesion.of}` : ''}${SAID[fate]}`),
    number(String(reading.labelmap.numberOf(lesion.slice))),
    el('td', {}, lesion.side),
    number(whole(mm3.sensitive)),
    number(whole(mm3.conservative)),
    lesion.keep === undefined ? null : el('td', {}, mark(lesion)),
    el('td', {}, button(isGone ? '↺' : '✕', act, { title: isGone ? 'Restore this lesion' : 'Remove this lesion', disabled: Boolean(reading.busy) })),
  );
}

/** Lesions from one line of the list to another. */
function between(rows, one, other) {
  const ids = rows.map(({ lesion }) => lesion.id);
  const [from, to] = [ids.indexOf(one), ids.indexOf(other)].sort((a, b) => a - b);
  return new Set(ids.slice(Math.max(0, from), to + 1));
}

function toggled(selected, id) {
  const found = new Set(selected);
  if (!found.delete(id)) found.add(id);
  return found;
}

/** What is done with several lesions that are selected, of those that the list shows. */
function selectedRow({ reading, list }, rows) {
  const voxels = rows.filter(({ lesion }) => list.selected.has(lesion.id)).map(({ lesion }) => lesion.voxel);
  if (!voxels.length) return null;
  const act = (what) => () => decide(reading, { what, scope: 'several', voxels });
  return el(
    'div',
    { class: 'line', id: 'vhi-selected' },
    `${voxels.length} selected`,
    button('✕ Remove', act('remove')),
    button('↺ Restore', act('restore')),
    button('Keep only', act('only')),
  );
}

/** What counts beside the lesions of the measurement: painted by hand; no row where there is nothing. */
function paintedRow(reading, left) {
  const voxel = reading.facts.voxel_volume_mm3;
  const beside = (grade) => Math.round(reading.now.voxels[grade] - left.reduce((sum, one) => sum + one[grade], 0)) * voxel;
  if (reading.isBehind || !reading.state.isByHand || beside('sensitive') <= 0) return null;
  const numbers = [number(whole(beside('sensitive'))), number(whole(Math.max(0, beside('conservative'))))];
  return el('tr', { class: 'painted' }, el('td', { colSpan: 3 }, 'painted'), ...numbers);
}

/** What is proposed for a lesion: "?" where it is uncertain, "R" beside a dot for "remove"; the reason is the row's title. */
function mark({ keep, uncertain }) {
  if (keep === undefined) return null;
  if (uncertain) return '?';
  return keep ? null : ['R', el('span', { class: 'swatch', style: `background:${PURPLE};margin-left:4px` })];
}

const toolButton = (desk) => (name, text, title) =>
  button(text, () => desk.take(name), { ariaPressed: String(desk.tool === name), title, data: { tool: name } });

function cleaningRow(desk) {
  const tool = toolButton(desk);
  const scope = choice(SCOPES, desk.scope, (value) => (desk.scope = value), { title: 'What it takes', ariaLabel: 'What a click or stroke takes', id: 'vhi-scope' });
  return el(
    'div',
    {},
    el(
      'div',
      { class: 'line tight' },
      tool('remove', '✕ Remove', 'Then click or draw in the image'),
      tool('restore', '↺ Restore', 'Then click or draw where lesions were removed'),
      tool('only', 'Keep only', 'Then click or draw: every other lesion of the scan is removed'),
    ),
    el('div', { class: 'line tight' }, scope, togetherRow(desk)),
  );
}

const SCOPES = {
  lesion: 'click: all slices',
  slice: 'click: one slice',
  inside: 'lasso: inside',
  outside: 'lasso: outside',
  'on slice': 'click: all on this slice',
  above: 'line: all above',
  below: 'line: all below',
};

/** All lesions of a part, a side or a size at once, with the tool in hand, or removed where it is none of cleaning. */
function togetherRow(desk) {
  const { reading } = desk;
  const places = {
    '': 'all of ...',
    ...Object.fromEntries(Object.keys(AREAS).map((part) => [JSON.stringify({ scope: 'part', part }), part])),
    ...Object.fromEntries(['left', 'right'].map((side) => [JSON.stringify({ scope: 'part', side }), `${side} side`])),
    ...Object.fromEntries(SIZES.map((size) => [JSON.stringify({ scope: 'smaller', below_mm3: size }), `below ${size} mm³`])),
  };
  const take = (value) => {
    if (value) decide(reading, { what: CLEANING.includes(desk.tool) ? desk.tool : 'remove', ...JSON.parse(value) });
  };
  return choice(places, '', take, {
    id: 'vhi-together',
    ariaLabel: 'All lesions at once',
    title: 'All lesions of a part, a side or a size, with the tool in hand',
  });
}

const SIZES = [20, 50, 100, 200];
