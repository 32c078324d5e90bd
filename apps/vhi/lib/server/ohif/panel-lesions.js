/** Parts of the panel: the list of lesions, and the tools that clean them. */

import { fates } from './cleaning.js';
import { button, choice, el } from './dom.js';
import { AREAS } from './gestures.js';
import { clean, decide } from './measuring.js';
import { named, t } from './texts.js';
import { CLEANING, SPLIT } from './tools.js';

const PURPLE = 'rgb(200,90,255)';
const FILTERS = { all: t('list.all'), kept: t('list.kept'), removed: t('list.removed'), unsure: t('list.unsure') };
const GONE = ['removed', 'proposed'];
const FEWEST_ROWS = 6; // in sight in a low window

/** Columns: name, heading, whether it is of numbers, and what it sorts by; a number is largest first. */
const COLUMNS = [
  { name: 'No.', text: t('column.number'), by: null },
  { name: 'Slice', text: t('column.slice'), isNumber: true, by: ({ lesion }) => lesion.slice },
  { name: 'Side', text: t('column.side'), by: ({ lesion }) => lesion.side },
  { name: 'mm³', text: 'mm³', isNumber: true, by: ({ mm3 }) => -mm3.sensitive },
  { name: 'red', text: t('column.red'), isNumber: true, by: ({ mm3 }) => -mm3.conservative },
  { name: '?', text: '?', title: t('column.doubt'), isOfProposal: true, by: ({ lesion }) => Math.abs(lesion.probability - 0.5) },
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
  const value = COLUMNS.find(({ name }) => name === list.sort)?.by;
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
  const sort = (name) => desk.setList({ sort: list.sort === name ? null : name });
  const isProposed = rows.whole.some(({ lesion }) => lesion.keep !== undefined);
  const head = COLUMNS.filter(({ isOfProposal }) => isProposed || !isOfProposal).map(({ name, text, title = text, isNumber, by }) =>
    el(
      'th',
      { class: isNumber ? 'number' : '', scope: 'col', ariaSort: list.sort === name ? 'ascending' : 'none' },
      by ? button(text, () => sort(name), { title: t('column.sort', { column: title }), data: { sort: name } }) : text,
    ),
  );
  const table = el(
    'table',
    {},
    el('thead', {}, el('tr', {}, head, el('th', { scope: 'col' }, el('span', { class: 'unseen' }, t('column.act'))))),
    el(
      'tbody',
      {},
      rows.map((row) => lesionRow(desk, row, rows)),
      paintedRow(reading, rows.whole.map(({ left }) => left)),
    ),
  );
  return el(
    'section',
    { class: 'list', style: `--rows: ${Math.min(rows.length, FEWEST_ROWS)}`, data: { name: 'Lesions' } },
    el('h3', {}, t('lesions')),
    cleaningRow(desk),
    el(
      'div',
      { class: 'line tight' },
      el('label', { class: 'line tight grow' }, t('list'), choice(FILTERS, list.filter, (filter) => desk.setList({ filter }), { id: 'vhi-filter' })),
      t('list.shown', { shown: rows.length, all: rows.whole.length }),
      toolButton(desk)(SPLIT, t('split'), t('split.title')),
    ),
    selectedRow(desk, rows),
    el('div', { class: 'lesions' }, table),
  );
}

const SAID = { kept: '', part: ` ${t('lesion.part')}`, removed: '', proposed: ` ${t('lesion.proposed')}` };
const number = (text) => el('td', { class: 'number' }, text);
const english = new Intl.NumberFormat('en'); // made once: a list has hundreds of numbers
const whole = (value) => english.format(Math.round(value));

const numberOf = ({ id, of }) => (of && of !== id ? t('lesion.piece', { id, of }) : String(id));

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
      title: fate === 'proposed' ? t('lesion.left_out', { why: lesion.reason }) : (lesion.reason ?? t('lesion.show')),
      data: { lesion: lesion.id },
      tabIndex: 0,
      ariaCurrent: String(list.current === lesion.id),
      ariaSelected: String(list.selected.has(lesion.id)),
      onclick: pick,
      onkeydown: (event) => {
        if (event.key === 'Enter' && event.target.matches('tr')) pick(event);
      },
    },
    el('td', {}, `${numberOf(lesion)}${SAID[fate]}`),
    number(String(reading.labelmap.numberOf(lesion.slice))),
    el('td', {}, named('side', lesion.side)),
    number(whole(mm3.sensitive)),
    number(whole(mm3.conservative)),
    lesion.keep === undefined ? null : el('td', {}, mark(lesion)),
    el('td', {}, button(isGone ? '↺' : '✕', act, { title: isGone ? t('lesion.restore') : t('lesion.remove'), disabled: Boolean(reading.busy) })),
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
    t('list.selected', { number: voxels.length }),
    button(`✕ ${t('clean.remove')}`, act('remove')),
    button(`↺ ${t('clean.restore')}`, act('restore')),
    button(t('clean.only'), act('only')),
  );
}

/** What counts beside the lesions of the measurement: painted by hand; no row where there is nothing. */
function paintedRow(reading, left) {
  const voxel = reading.facts.voxel_volume_mm3;
  const beside = (grade) => Math.round(reading.now.voxels[grade] - left.reduce((sum, one) => sum + one[grade], 0)) * voxel;
  if (reading.isBehind || !reading.state.isByHand || beside('sensitive') <= 0) return null;
  const numbers = [number(whole(beside('sensitive'))), number(whole(Math.max(0, beside('conservative'))))];
  return el('tr', { class: 'painted' }, el('td', { colSpan: 3 }, t('list.painted')), ...numbers);
}

/** What is proposed for a lesion: "?" where it is uncertain, "R" beside a dot for "remove"; the reason is the row's title. */
function mark({ keep, uncertain }) {
  if (keep === undefined) return null;
  if (uncertain) return '?';
  return keep ? null : [t('lesion.mark'), el('span', { class: 'swatch', style: `background:${PURPLE};margin-left:4px` })];
}

const toolButton = (desk) => (name, text, title) =>
  button(text, () => desk.take(name), { ariaPressed: String(desk.tool === name), title, data: { tool: name } });

function cleaningRow(desk) {
  const tool = toolButton(desk);
  const scope = choice(SCOPES, desk.scope, (value) => (desk.scope = value), { title: t('scope'), ariaLabel: t('scope.label'), id: 'vhi-scope' });
  return el(
    'div',
    {},
    el(
      'div',
      { class: 'line tight' },
      tool('remove', `✕ ${t('clean.remove')}`, t('clean.remove.title')),
      tool('restore', `↺ ${t('clean.restore')}`, t('clean.restore.title')),
      tool('only', t('clean.only'), t('clean.only.title')),
    ),
    el('div', { class: 'line tight' }, scope, togetherRow(desk)),
  );
}

const SCOPES = {
  lesion: t('scope.lesion'),
  slice: t('scope.slice'),
  inside: t('scope.inside'),
  outside: t('scope.outside'),
  'on slice': t('scope.on_slice'),
  above: t('scope.above'),
  below: t('scope.below'),
};

/** All lesions of a part, a side or a size at once, with the tool in hand, or removed where it is none of cleaning. */
function togetherRow(desk) {
  const { reading } = desk;
  const places = {
    '': t('together'),
    ...Object.fromEntries(Object.keys(AREAS).map((part) => [JSON.stringify({ scope: 'part', part }), named('area', part)])),
    ...Object.fromEntries(Object.entries(SIDES).map(([side, text]) => [JSON.stringify({ scope: 'part', side }), text])),
    ...Object.fromEntries(SIZES.map((size) => [JSON.stringify({ scope: 'smaller', below_mm3: size }), t('together.below', { size })])),
  };
  const take = (value) => {
    if (value) decide(reading, { what: CLEANING.includes(desk.tool) ? desk.tool : 'remove', ...JSON.parse(value) });
  };
  return choice(places, '', take, {
    id: 'vhi-together',
    ariaLabel: t('together.label'),
    title: t('together.title'),
  });
}

const SIDES = { left: t('together.left'), right: t('together.right') };
const SIZES = [20, 50, 100, 200];
