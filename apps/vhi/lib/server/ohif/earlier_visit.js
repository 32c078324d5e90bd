/** Part of the panel: what changed since the patient's earlier visit, in a line with its report. */

import { address } from './addresses.js';
import { el, mm3 } from './dom.js';

const EXCEEDS = { true: 'more than two readers differ by', false: 'no more than two readers differ by' };

/** The line below the number; null where no earlier visit is known. */
export function earlierVisit({ change, no_change_because: why, earlier }) {
  if (why) return el('div', { class: 'told', id: 'vhi-change' }, why);
  if (!change) return null;
  return el('div', { class: 'told', id: 'vhi-change' }, [sentences(change), ...reportLink(earlier)]);
}

function sentences(change) {
  const when = change.earlier_date ? ` of ${change.earlier_date}` : '';
  const before = `Earlier visit${when}: ${change.earlier_title} ${mm3(change.earlier_mm3)}.`;
  if (change.doubts.length) return `${before} The two may not be compared: ${change.doubts.join('; ')}.`;
  const sign = change.change_mm3 > 0 ? '+' : change.change_mm3 < 0 ? '−' : '';
  const factor = change.factor === null ? '' : ` (× ${change.factor.toFixed(2)})`;
  const exceeds = EXCEEDS[change.exceeds_reader_variation];
  const since = `Since then ${sign}${mm3(Math.abs(change.change_mm3))}${factor}${exceeds ? `, ${exceeds}` : ''}.`;
  return [before, since, lesions(change)].filter(Boolean).join(' ');
}

/** How many lesions are new, gone, and so on; those of no fate are left out. */
function lesions({ counts }) {
  const words = Object.entries(counts ?? {}).filter(([, number]) => number);
  return words.length ? `Lesions: ${words.map(([fate, number]) => `${number} ${fate}`).join(', ')}.` : '';
}

function reportLink(earlier) {
  if (!earlier?.report) return [];
  const href = address(`/vhi/report?${new URLSearchParams({ ...earlier.report, form: 'html' })}`);
  return [' ', el('a', { href, target: '_blank', rel: 'noopener' }, 'Its report')];
}
