/** A study that is no case yet: why, as it is now, until it is one. */

import { seriesOf } from './api.js';
import { t } from './texts.js';

const LOOK_EACH_MS = 2000;

/** A study's case, or why it has none. */
export async function caseOf(study) {
  try {
    const { t1w, stir, why } = await seriesOf(study);
    return stir ? { study, case: { study, t1w, stir }, why: '' } : { study, case: null, why: t('case.none', { why }) };
  } catch (error) {
    return { study, case: null, why: t('case.none', { why: error.message }) };
  }
}

/**
 * Ask again and again while a study waits; the page is loaded anew once it is a case, because the viewer lists its series once.
 *
 * @param {string} study
 * @param {(why: string) => void} tell
 * @returns {() => void} what ends it
 */
export function waitForCase(study, tell) {
  const timer = window.setInterval(async () => {
    const found = await caseOf(study);
    if (found.case) window.location.reload();
    else tell(found.why);
  }, LOOK_EACH_MS);
  return () => window.clearInterval(timer);
}
