/** Leaving the page or the case with work that was not handed in asks first. */

import { t } from './texts.js';

const AWAY = '[data-cy="return-to-work-list"], .cursor-pointer:has([data-cy="return-to-work-list"])';

let isAllowed = false;

const mayLeave = (isUnsent) => !isUnsent || window.confirm(t('case.leave'));

/** Go to another page of this server, unless the reader would rather stay. */
export function leaveFor(address, isUnsent) {
  if (!mayLeave(isUnsent)) return;
  isAllowed = true;
  window.location.assign(address);
}

/**
 * Watch over the ways out.
 *
 * @param {() => boolean} isUnsent
 * @param {() => void} flush called when the page goes out of sight
 */
export function watchLeaving(isUnsent, flush) {
  window.addEventListener('beforeunload', (event) => {
    flush();
    if (isUnsent() && !isAllowed) event.preventDefault();
  });
  window.addEventListener('pagehide', flush);
  document.addEventListener('visibilitychange', () => document.hidden && flush());
  window.addEventListener(
    'click',
    (event) => {
      if (!event.target.closest?.(AWAY) || mayLeave(isUnsent())) return;
      event.preventDefault();
      event.stopImmediatePropagation();
    },
    { capture: true },
  );
}
