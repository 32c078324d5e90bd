/** Part of the panel: what changed since the patient's earlier visit, in a line with its report, and its scan beside this one. */

import { address } from './addresses.js';
import { button, el, mm3 } from './dom.js';
import { named, t } from './texts.js';

const EXCEEDS = { true: t('change.exceeds'), false: t('change.within') };

/** The line below the number; null where no earlier visit is known. */
export function earlierVisit({ change, no_change_because: why, earlier }, beside) {
  if (!why && !change) return null;
  const offered = earlier && beside ? showButton(beside) : null;
  return el('div', { class: 'note', id: 'vhi-change' }, why || sentences(change), ...reportLink(earlier), offered);
}

/** The earlier scan in place of T1W, and T1W again. */
function showButton(beside) {
  const text = beside.isComing ? t('earlier.coming') : t('earlier.show');
  const title = t('earlier.show.title');
  const more = { id: 'vhi-beside', title, disabled: beside.isComing, ariaPressed: String(beside.isShown) };
  return el('div', { class: 'line' }, button(text, () => beside.toggle(), more));
}

function sentences(change) {
  const { earlier_date: date, earlier_title: title } = change;
  const volume = mm3(change.earlier_mm3);
  const before = date ? t('change.before_of', { date, title, volume }) : t('change.before', { title, volume });
  if (change.doubts.length) return `${before} ${t('change.doubts', { why: change.doubts.join('; ') })}`;
  const sign = change.change_mm3 > 0 ? '+' : change.change_mm3 < 0 ? '−' : '';
  const factor = change.factor === null ? '' : ` (× ${change.factor.toFixed(2)})`;
  const exceeds = EXCEEDS[change.exceeds_reader_variation];
  const since = t('change.since', { change: `${sign}${mm3(Math.abs(change.change_mm3))}${factor}${exceeds ? `, ${exceeds}` : ''}` });
  return [before, since, lesions(change)].filter(Boolean).join(' ');
}

/** How many lesions are new, gone, and so on; those of no fate are left out. */
function lesions({ counts }) {
  const words = Object.entries(counts ?? {}).filter(([, number]) => number);
  return words.length ? t('change.lesions', { list: words.map(([fate, number]) => `${number} ${named('fate', fate)}`).join(', ') }) : '';
}

function reportLink(earlier) {
  if (!earlier?.report) return [];
  const href = address(`/vhi/report?${new URLSearchParams({ ...earlier.report, form: 'html' })}`);
  return [' ', el('a', { href, target: '_blank', rel: 'noopener' }, t('change.report'))];
}
