/** Parts of the panel: VHI, the lesions, cleaning by clicks. */

import { fates } from './cleaning.js';
import { VIEW } from './desk.js';
import { button, choice, count, el, mm3 } from './dom.js';

const YELLOW = 'rgb(255,220,0)';
const RED = 'rgb(230,30,30)';
const PURPLE = 'rgb(200,90,255)';

const swatch = (color) => el('span', { class: 'swatch', style: `background:${color}` });

/** Both grades in mm3, with their colours. */
function grades(numbers) {
  const { sensitive, conservative } = numbers.vhi_mm3;
  return el(
    'div',
    { class: 'grades' },
    ...[swatch(YELLOW), 'Sensitive', el('b', { data: { vhi: 'sensitive' } }, mm3(sensitive))],
    ...[swatch(RED), 'Conservative', el('b', { data: { vhi: 'conservative' } }, mm3(conservative))],
  );
}

/** Stability and what the method warns of. */
function caveats(numbers) {
  const { stable, reasons } = numbers.stability;
  const verdict = stable
    ? el('div', { class: 'told good', data: { vhi: 'stability' } }, 'Stable: other thresholds give nearly the same volume.')
    : el('div', { class: 'warn', data: { vhi: 'stability' } }, 'Unstable. ', reasons.join(' '));
  const warnings = numbers.warnings.length
    ? el('details', {}, el('summary', {}, count(numbers.warnings.length, 'warning')), numbers.warnings.map(warning))
    : null;
  return [verdict, warnings];
}

const warning = (text) => el('div', { class: 'warn' }, text);

/** The button that measures stays while the rest of the panel changes: no click on it goes astray. */
export const measureButton = (desk) =>
  button('', () => (desk.reading ?? desk.coming).measure(), { class: 'main', id: 'vhi-measure' });

export function showBusy(measure, desk) {
  const reading = desk.reading ?? desk.coming;
  measure.disabled = !reading || Boolean(reading.busy);
  const text = reading?.busy === 'Measuring VHI' ? 'Measuring ...' : 'Measure VHI';
  if (measure.textContent !== text) measure.textContent = text;
}

export function vhiSection(desk) {
  const { reading } = desk;
  if (!reading) return null;
  const both = el('input', {
    type: 'checkbox',
    checked: reading.both,
    onchange: (event) => reading.showBoth(event.target.checked),
  });
  const numbers = reading.submitted?.numbers ?? reading.now;
  const found = numbers
    ? [
        grades(numbers),
        el(
          'div',
          { class: 'told', data: { vhi: 'lesions' } },
          count(numbers.lesions.filter((one) => !one.removed).length, 'lesion'),
        ),
        ...caveats(numbers),
        el('label', { class: 'line' }, both, 'Conservative in red'),
      ]
    : [];
  return el('section', {}, suggestions(desk), reading.submitted ? submitted(reading.submitted) : null, ...found);
}

/** Whether lesions that are hardly inflammation are marked or left out; from the next measurement on. */
function suggestions({ models, reading }) {
  if (!models.vhi.config.proposal) return null;
  const modes = { off: 'no suggestions', show: 'mark lesions to remove', apply: 'leave them out' };
  const pick = (mode) => {
    reading.options.proposal = mode === 'off' ? undefined : mode;
  };
  return el(
    'label',
    { class: 'line' },
    'Cleaning',
    choice(modes, reading.options.proposal ?? 'off', pick, { id: 'vhi-proposal' }),
  );
}

function submitted(made) {
  const link = made.report ? el('a', { href: made.report, target: '_blank', rel: 'noopener' }, 'Report') : null;
  const kept = el('div', { class: 'told good' }, `Submission ${made.submission} is kept. `, link);
  return el(
    'div',
    { id: 'vhi-submitted' },
    kept,
    made.messages.map((text) => el('div', { class: 'told' }, text)),
  );
}

export function lesionSection(desk) {
  const { reading } = desk;
  if (!reading?.facts) return null;
  const fate = fates(reading.facts, reading.now);
  const head = ['', 'Slice', 'Side', 'mm³', 'red', ''].map((text, n) =>
    el('th', { class: n === 1 || n > 2 ? 'number' : '' }, text),
  );
  return el(
    'section',
    {},
    el('h3', {}, 'Lesions'),
    cleaningRow(desk),
    el(
      'div',
      { class: 'lesions' },
      el(
        'table',
        {},
        el('thead', {}, el('tr', {}, head)),
        el(
          'tbody',
          {},
          reading.facts.lesions.map((one) => lesionRow(reading, one, fate.get(one.id))),
        ),
      ),
    ),
  );
}

function lesionRow(reading, lesion, fate) {
  const isGone = fate === 'removed';
  const act = (event) => {
    event.stopPropagation();
    reading.clean(isGone ? 'restore' : 'remove', lesion.voxel);
  };
  const number = (text) => el('td', { class: 'number' }, text);
  const { sensitive, conservative } = lesion.vhi_mm3;
  return el(
    'tr',
    {
      class: fate,
      title: lesion.reason ?? 'Show this lesion',
      data: { lesion: lesion.id },
      onclick: () => reading.jumpTo(lesion),
    },
    el('td', {}, `${lesion.id}${fate === 'part' ? ' (part)' : ''}`, mark(lesion)),
    number(String(reading.labelmap.numberOf(lesion.slice))),
    el('td', {}, lesion.side),
    number(Math.round(sensitive).toLocaleString('en')),
    number(Math.round(conservative).toLocaleString('en')),
    el(
      'td',
      {},
      button(isGone ? '↺' : '✕', act, {
        title: isGone ? 'Restore this lesion' : 'Remove this lesion',
        disabled: Boolean(reading.busy),
      }),
    ),
  );
}

/** What is proposed for a lesion: a dot for "remove", a question mark where it is uncertain; the reason is the row's title. */
function mark({ keep, uncertain }) {
  if (keep === undefined) return null;
  if (uncertain) return ' ?';
  return keep ? null : el('span', { class: 'swatch', style: `background:${PURPLE};margin-left:4px` });
}

function cleaningRow(desk) {
  const tool = (name, text, title) =>
    button(text, () => desk.take(desk.tool === name ? VIEW : name), {
      ariaPressed: String(desk.tool === name),
      title,
      data: { tool: name },
    });
  const scope = choice({ lesion: 'all slices', slice: 'one slice' }, desk.scope, (value) => (desk.scope = value), {
    title: 'What one click takes',
  });
  return el(
    'div',
    { class: 'line tight' },
    tool('remove', '✕ Remove', 'Then click lesions in the image'),
    tool('restore', '↺ Restore', 'Then click where a lesion was removed'),
    scope,
  );
}
