/**
 * Parts of the viewer that it loads only when a case is opened, one after the other, each with a style sheet that is asked for anew: loaded as
 * its page begins. Their numbers are those of the one build that this was made for.
 */

const PARTS = { segmentations: 7197, mode: 8295, images: 9611 };

/** Load them once the viewer's own loader is there. */
export function loadParts() {
  window.webpackChunk ??= [];
  window.webpackChunk.push([['vhi'], {}, (load) => Object.values(PARTS).forEach((part) => load.e(part).catch(() => null))]);
}
