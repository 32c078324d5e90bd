/** The keys of the reading mode, in place of the viewer's: none of them turns an image, swaps a series or sets a window of CT. */

import { t } from './texts.js';

const PAGE = 5; // slices
const ZOOM = 1.1;

const key = (keys, label, commandName, commandOptions = {}) => ({ keys: [keys], label, commandName, commandOptions, isEditable: true });

/** As a mode of the viewer takes them; under a name of their own, so that keys that a reader chose in another mode stay there. */
export const HOTKEYS = {
  name: 'vhi-hotkeys',
  hotkeys: [
    key('down', t('viewer.key.next'), 'nextImage'),
    key('up', t('viewer.key.previous'), 'previousImage'),
    key('pagedown', t('viewer.key.five_on'), 'nextImage', { direction: PAGE }),
    key('pageup', t('viewer.key.five_back'), 'previousImage', { direction: -PAGE }),
    key('home', t('viewer.key.first'), 'firstImage'),
    key('end', t('viewer.key.last'), 'lastImage'),
    key('right', t('viewer.key.next_viewport'), 'incrementActiveViewport'),
    key('left', t('viewer.key.previous_viewport'), 'decrementActiveViewport'),
    key('+', t('viewer.key.zoom_in'), 'scaleUpViewport'),
    key('-', t('viewer.key.zoom_out'), 'scaleDownViewport'),
    key('space', t('viewer.key.reset'), 'resetViewport'),
    key('esc', t('viewer.key.cancel'), 'cancelMeasurement'),
  ],
};

/** What these commands do while a case is open: the viewer's own work on one image, or on no volume at all. */
export function mendCommands(commandsManager, isOpen, linked) {
  const commands = {
    resetViewport: () => linked.reset(),
    scaleUpViewport: () => linked.zoom(ZOOM),
    scaleDownViewport: () => linked.zoom(1 / ZOOM),
  };
  const known = commandsManager.getContext('CORNERSTONE');
  for (const [name, work] of Object.entries(commands)) {
    const plain = known[name].commandFn;
    if (plain.isMended) continue;
    known[name].commandFn = (options) => (isOpen() ? work() : plain(options));
    known[name].commandFn.isMended = true;
  }
}

/** The space bar presses the button of the panel that has the focus, and resets no view then. */
export function keepSpaceBar() {
  const keep = (event) => {
    if (event.key === ' ' && event.target.closest?.('#vhi-panel')) event.stopPropagation();
  };
  window.addEventListener('keydown', keep, { capture: true });
}
