/**
 * What the viewer is about to ask of a case, asked for as soon as its address is known: at the click that opens it, or as its page begins,
 * before the viewer has started. The viewer asks only once its mode is mounted, for one thing after the other.
 */

import { address } from './addresses.js';
import { JSON_TYPE, askForImages, expectImages, expectMetadata, forgetImages, metadataPath } from './images_ahead.js';
import { caseOf } from './waiting.js';

const ROUTE = address('/ohif/monai-label');
const known = new Set(); // studies that the viewer was given: it keeps what it has of them

let ahead = null; // of the case that is being opened

/** Ask for what an address of the viewer shows, where that is a case to read; what was asked for another one is given up. */
export function lookAhead(href) {
  const { pathname, searchParams } = new URL(href, window.location.href);
  const study = pathname === ROUTE && searchParams.get('StudyInstanceUIDs');
  if (ahead && ahead.study !== study) forgetImages();
  ahead = null;
  if (!study) return;
  const found = caseOf(study);
  ahead = { study, found, isGiven: false };
  const own = ahead;
  if (known.has(study)) return;
  const metadata = metadataOf(study);
  expectMetadata(study, metadata);
  Promise.all([found, metadata]).then(([one, facts]) => {
    if (own !== ahead || !one.case || !facts) return;
    expectImages(one.case);
    askForImages(); // not sooner: the server would answer with images first
  });
}

/** A study's case, or why it has none; asked for ahead where it could be. What was asked for is given once: it may have changed since. */
export function caseAhead(study) {
  known.add(study);
  if (ahead?.study !== study || ahead.isGiven) return caseOf(study);
  ahead.isGiven = true;
  return ahead.found;
}

/** Null where it could not be had: the viewer asks itself then. */
async function metadataOf(study) {
  try {
    const answer = await window.fetch(metadataPath(study), { headers: { Accept: JSON_TYPE }, credentials: 'same-origin' });
    return answer.ok ? await answer.json() : null;
  } catch {
    return null;
  }
}

/** From now on: of this page, and of every case that is opened in it. */
export function lookAheadAlways() {
  lookAhead(window.location.href);
  const { pushState } = window.history;
  window.history.pushState = function (state, unused, url) {
    if (url) lookAhead(String(url));
    return pushState.call(this, state, unused, url);
  };
  window.addEventListener('popstate', () => lookAhead(window.location.href)); // the browser's own back and forward
}
