/** The keys of the reading mode, in place of the viewer's: none of them turns an image, swaps a series or sets a window of CT. */

const PAGE = 5; // slices
const ZOOM = 1.1;

const key = (keys, label, commandName, commandOptions = {}) => ({ keys: [keys], label, commandName, commandOptions, isEditable: true });

/** As a mode of the viewer takes them; under a name of their own, so that keys that a reader chose in another mode stay there. */
export const HOTKEYS = {
  name: 'vhi-hotkeys',
  hotkeys: [
    key('down', 'Next Image', 'nextImage'),
    key('up', 'Previous Image', 'previousImage'),
    key('pagedown', 'Five Images On', 'nextImage', { direction: PAGE }),
    key('pageup', 'Five Images Back', 'previousImage', { direction: -PAGE }),
    key('home', 'First Image', 'firstImage'),
    key('end', 'Last Image', 'lastImage'),
    key('right', 'Next Image Viewport', 'incrementActiveViewport'),
    key('left', 'Previous Image Viewport', 'decrementActiveViewport'),
    key('+', 'Zoom In', 'scaleUpViewport'),
    key('-', 'Zoom Out', 'scaleDownViewport'),
    key('space', 'Reset', 'resetViewport'),
    key('esc', 'Cancel Measurement', 'cancelMeasurement'),
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
