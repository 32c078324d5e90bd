/** Parts of the panel: VHI and what is said of it. */

import { button, choice, el, mm3 } from './dom.js';
import { earlierVisit } from './earlier_visit.js';
import { measure } from './measuring.js';
import { otherChain } from './other_chain.js';
import { named, t } from './texts.js';

const YELLOW = 'rgb(255,220,0)';
const RED = 'rgb(230,30,30)';

// as they are drawn: the sensitive grade outlined, the conservative one filled
const swatch = (color, isFilled) => el('span', { class: 'swatch', style: `border:2px solid ${color};${isFilled ? `background:${color}` : ''}` });

/** Both grades in mm3, with their colours; grey while they are those of what was on screen before. */
function grades(numbers, isBehind) {
  const { sensitive, conservative } = numbers.vhi_mm3;
  return el(
    'div',
    { class: isBehind ? 'grades behind' : 'grades', title: isBehind ? t('numbers.behind') : '' },
    ...[swatch(YELLOW, false), t('numbers.sensitive'), el('b', { data: { vhi: 'sensitive' } }, mm3(sensitive))],
    ...[swatch(RED, true), t('numbers.conservative'), el('b', { data: { vhi: 'conservative' } }, mm3(conservative))],
  );
}

/** Stability and what the method warns of. */
function caveats(numbers) {
  const { stable, reasons } = numbers.stability;
  const verdict = stable
    ? el('div', { class: 'note good', data: { vhi: 'stability' } }, t('stability.stable'))
    : el('div', { class: 'warn', data: { vhi: 'stability' } }, stable === null ? t('stability.unjudged') : t('stability.unstable'), ' ', reasons.join(' '));
  const warnings = numbers.warnings.length
    ? el('details', {}, el('summary', {}, t('numbers.warnings', { count: numbers.warnings.length })), numbers.warnings.map(warning))
    : null;
  return [verdict, warnings];
}

/** What the number may be called, and whether it can be relied on. */
function heading({ title, verdict }) {
  if (!title) return null; // numbers that an earlier version stored
  return [
    el('h3', { data: { vhi: 'title' } }, title),
    verdict ? el('div', { class: 'note small', data: { vhi: 'verdict' } }, `${named('verdict', verdict.word)}${clauses(verdict.reasons)}`) : null,
  ];
}

const clauses = (reasons) => (reasons.length ? `: ${reasons.map(({ clause }) => clause).join('; ')}.` : '.');

const warning = (text) => el('div', { class: 'warn' }, text);

/** The button that measures stays while the rest of the panel changes: no click on it goes astray. */
export const measureButton = (session) =>
  button('', () => measure(session.reading ?? session.coming), { class: 'main', id: 'vhi-measure' });

export function showBusy(button_, session) {
  const reading = session.reading ?? session.coming;
  button_.disabled = !reading || Boolean(reading.busy) || Boolean(session.keeping.keeper?.isWaiting);
  const text = reading?.busy === 'measuring' ? t('measure.busy') : t('measure');
  if (button_.textContent !== text) button_.textContent = text;
}

const numbersOf = (reading) => reading.now ?? (reading.isSubmitted ? reading.submitted.numbers : null);

/** What stays in sight: the volumes, and why they are not those of what is on screen. */
export function numberSection({ reading, beside }) {
  const numbers = reading && numbersOf(reading);
  const why = reading?.isBehind ? reading.numbersWhy : '';
  if (!numbers && !why) return null;
  return el(
    'section',
    {},
    numbers ? heading(numbers) : null,
    numbers ? grades(numbers, reading.isBehind) : null,
    numbers ? otherChain(numbers) : null,
    numbers ? earlierVisit(numbers, beside) : null,
    why ? el('div', { class: 'error', id: 'vhi-no-numbers' }, why) : null,
    isRedrawn(reading) ? null : el('div', { class: 'warn', id: 'vhi-other-thresholds' }, t('numbers.other_thresholds')),
  );
}

/** Whether colours and list of lesions are those of the thresholds of the number. */
function isRedrawn({ facts, now, isBehind }) {
  const of = ({ thresholds: { sensitive, conservative } }) => [sensitive, conservative].join();
  return !facts || isBehind || !now?.thresholds || of(facts) === of(now);
}

/** What the number rests on; that it is no VHI where no reader cleaned it. */
export function reliabilitySection({ reading }) {
  const numbers = reading && numbersOf(reading);
  if (!numbers) return null;
  const { title, stage, warnings } = numbers;
  return el(
    'section',
    { data: { name: 'Reliability' } },
    el('h3', {}, t('reliability')),
    !title || stage === 'cleaned' ? null : el('div', { class: 'warn', data: { vhi: 'stage' } }, warnings[0]),
    ...caveats(numbers),
  );
}

export function cleaningSection(session) {
  return session.reading ? el('section', {}, suggestions(session)) : null;
}

/** Whether lesions that are hardly inflammation are marked or left out; from the next measurement on. */
function suggestions(session) {
  const { models, reading } = session;
  if (!models.vhi.config.proposal) return null;
  const modes = { off: t('cleaning.off'), show: t('cleaning.show'), apply: t('cleaning.apply') };
  const pick = (mode) => {
    reading.options.proposal = mode === 'off' ? undefined : mode;
  };
  return el(
    'label',
    { class: 'line' },
    t('cleaning'),
    choice(modes, reading.options.proposal ?? 'off', pick, { id: 'vhi-proposal' }),
  );
}
