/** Parts of the panel: VHI, the lesions, cleaning by clicks. */

import { fates } from './cleaning.js';
import { VIEW } from './desk.js';
import { button, choice, count, el, mm3 } from './dom.js';
import { clean, measure } from './measuring.js';
import { otherChain } from './other_chain.js';
import { seenOf } from './cells.js';

const YELLOW = 'rgb(255,220,0)';
const RED = 'rgb(230,30,30)';
const PURPLE = 'rgb(200,90,255)';

const swatch = (color) => el('span', { class: 'swatch', style: `background:${color}` });

/** Both grades in mm3, with their colours; grey while they are those of what was on screen before. */
function grades(numbers, isBehind) {
  const { sensitive, conservative } = numbers.vhi_mm3;
  return el(
    'div',
    { class: isBehind ? 'grades behind' : 'grades', title: isBehind ? 'Before your last change; measured again now' : '' },
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
  button('', () => measure(desk.reading ?? desk.coming), { class: 'main', id: 'vhi-measure' });

export function showBusy(button_, desk) {
  const reading = desk.reading ?? desk.coming;
  button_.disabled = !reading || Boolean(reading.busy) || Boolean(desk.keeping.keeper?.isWaiting);
  const text = reading?.busy === 'Measuring VHI' ? 'Measuring ...' : 'Measure VHI';
  if (button_.textContent !== text) button_.textContent = text;
}

const numbersOf = (reading) => reading.now ?? (reading.isSubmitted ? reading.submitted.numbers : null);

/** What stays in sight: the volumes, and why they are not those of what is on screen. */
export function numberSection({ reading }) {
  const numbers = reading && numbersOf(reading);
  const why = reading?.isBehind ? reading.numbersWhy : '';
  if (!numbers && !why) return null;
  return el(
    'section',
    {},
    numbers ? grades(numbers, reading.isBehind) : null,
    numbers ? otherChain(numbers) : null,
    why ? el('div', { class: 'error', id: 'vhi-no-numbers' }, why) : null,
    isRedrawn(reading) ? null : el('div', { class: 'warn', id: 'vhi-other-thresholds' }, OTHER),
  );
}

const OTHER = 'A region was changed: colours and list are those of the thresholds before. Measure VHI draws them anew.';

/** Whether colours and list of lesions are those of the thresholds of the number. */
function isRedrawn({ facts, now, isBehind }) {
  const of = ({ thresholds: { sensitive, conservative } }) => [sensitive, conservative].join();
  return !facts || isBehind || !now?.thresholds || of(facts) === of(now);
}

export function vhiSection(desk) {
  const { reading } = desk;
  if (!reading) return null;
  const both = el('input', {
    type: 'checkbox',
    checked: reading.both,
    onchange: (event) => reading.showBoth(event.target.checked),
  });
  const numbers = numbersOf(reading);
  const found = numbers
    ? [
        el(
          'div',
          { class: 'told', data: { vhi: 'lesions' } },
          count(numbers.lesions.filter((one) => !one.removed).length, 'lesion'),
        ),
        ...caveats(numbers),
        el('label', { class: 'line' }, both, 'Conservative in red'),
      ]
    : [];
  return el('section', {}, suggestions(desk), ...found);
}

/** Whether lesions that are hardly inflammation are marked or left out; from the next measurement on. */
function suggestions(desk) {
  const { models, reading } = desk;
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

export function lesionSection(desk) {
  const { reading } = desk;
  if (!reading?.facts) return null;
  const { measured, decisions } = reading.state;
  const left = measured.lesions.left(seenOf(reading.cells));
  const fate = fates(reading.facts.lesions, left, measured.options.proposal === 'apply', decisions);
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
          reading.facts.lesions.map((one) => lesionRow(reading, one, fate.get(one.id), left.get(one.id))),
          paintedRow(reading, [...left.values()]),
        ),
      ),
    ),
  );
}

const SAID = { kept: '', part: ' (part)', removed: '', proposed: ' (left out)' };
const number = (text) => el('td', { class: 'number' }, text);
const whole = (value) => Math.round(value).toLocaleString('en');

/** A lesion of the measurement, with what is left of it; all of it where it is gone. */
function lesionRow(reading, lesion, fate, left) {
  const isGone = fate === 'removed' || fate === 'proposed';
  const act = (event) => {
    event.stopPropagation();
    clean(reading, isGone ? 'restore' : 'remove', lesion.voxel);
  };
  const voxel = reading.facts.voxel_volume_mm3;
  const { sensitive, conservative } = isGone
    ? lesion.vhi_mm3
    : { sensitive: left.sensitive * voxel, conservative: left.conservative * voxel };
  return el(
    'tr',
    {
      class: fate,
      title: fate === 'proposed' ? `Left out by the cleaning proposal: ${lesion.reason}` : (lesion.reason ?? 'Show this lesion'),
      data: { lesion: lesion.id },
      onclick: () => reading.jumpTo(lesion),
    },
    el('td', {}, `${lesion.id}${SAID[fate]}`, mark(lesion)),
    number(String(reading.labelmap.numberOf(lesion.slice))),
    el('td', {}, lesion.side),
    number(whole(sensitive)),
    number(whole(conservative)),
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

/** What counts beside the lesions of the measurement: painted by hand; no row where there is nothing. */
function paintedRow(reading, left) {
  const voxel = reading.facts.voxel_volume_mm3;
  const beside = (grade) => Math.round(reading.now.voxels[grade] - left.reduce((sum, one) => sum + one[grade], 0)) * voxel;
  if (reading.isBehind || !reading.state.isByHand || beside('sensitive') <= 0) return null;
  const numbers = [number(whole(beside('sensitive'))), number(whole(Math.max(0, beside('conservative'))))];
  return el('tr', { class: 'painted' }, el('td', { colSpan: 3 }, 'painted'), ...numbers, el('td'));
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
