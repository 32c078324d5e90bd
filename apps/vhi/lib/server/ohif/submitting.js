/**
 * Handing in what is on screen, with its number: another one, or a region that seems to lie wrong, is kept only once the reader has
 * seen that and confirmed it.
 */

import { caseAddress } from './addresses.js';
import * as api from './api.js';
import { leaveFor } from './leaving.js';
import { named, t } from './texts.js';

/**
 * @param {import('./reading.js').Reading} reading
 * @param {import('./keeper.js').Keeper} keeper of its draft
 * @param {object} confirmed what the reader has confirmed: another number by its `result_id` (`confirmed`), doubts (`doubts`)
 */
export function submit(reading, keeper, confirmed = {}) {
  return reading.work('submitting', async () => {
    await reading.evaluated();
    const draft = await keeper.handingIn();
    const { version } = reading.state;
    try {
      const made = await handedIn(reading, { draft, doubts: 'ask', ...confirmed });
      Object.assign(reading, { submitted: { ...made, version }, isUnsent: reading.state.version !== version, question: null });
      keeper.handedIn();
    } catch (error) {
      keeper.notHandedIn();
      if (!error.facts?.would_be && !error.facts?.doubts) throw error;
      reading.question = { text: error.message, ...error.facts, sent: confirmed };
    }
  });
}

async function handedIn(reading, more) {
  const { label, names, terms } = reading.sent();
  const rating = reading.rating || undefined;
  if (!names.length) return rated(reading, rating, more);
  const { submitted, now } = reading;
  const amends = submitted?.submission_id;
  const metadata = { ...terms, effort: reading.effort.facts(), rating, amends, displayed: now?.result_id, ...more };
  const made = await api.submit(reading.case.stir, label, reading.params(metadata));
  const numbers = now ?? (made.measured ? await api.report(reading.case.stir, made.reader).catch(() => null) : null);
  return { ...made, numbers };
}

/** A rating alone, of a case of which nothing was seen or drawn. */
async function rated(reading, rating, { draft }) {
  if (!rating) throw new Error(t('submit.nothing'));
  const made = await api.rate(reading.case.stir, rating, reading.params(draft ? { draft } : {}));
  return { ...made, report: null, messages: [t('rating.kept', { rating: named('rating', made.rating) })] };
}

/** Open the next case that this reader has not finished; past the one that is open where that is skipped. */
export function next(reading, isSkipped = false) {
  return reading.work('next', async () => {
    const sample = await api.nextSample('first', reading.params(isSkipped ? { skip: reading.case.stir } : {}));
    if (!sample.StudyInstanceUID) throw new Error(sample.reason ?? t('next.none'));
    leaveFor(caseAddress(sample.StudyInstanceUID, reading.number), reading.isUnsent);
  });
}
