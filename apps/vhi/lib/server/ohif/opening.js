/**
 * What the viewer leaves for later while a case opens. Without a graphics card a drawing keeps a processor busy for some tenths of a
 * second, and the viewer draws for every few images that arrive, for every series' small picture, and twice for a label map.
 */

export const DRAW_EACH_MS = 2000; // most cases are there by then, and are drawn once
const DRAWING_SHARE = 0.2; // at most, of the time for which images arrive: while it draws the page does nothing else
const SOON_MS = 300;
const TOUCHES = ['wheel', 'pointerdown', 'keydown'];
const LIBRARIES = '@ohif/extension-cornerstone.utilityModule.common';

/**
 * Draw with one sample a pixel and not four, which take time whenever a size changes. They smooth edges of polygons; a slice of a volume has
 * some at its border alone.
 */
export function smoothNoEdges() {
  const plain = HTMLCanvasElement.prototype.getContext;
  HTMLCanvasElement.prototype.getContext = function (kind, options) {
    return plain.call(this, kind, kind === 'webgl2' ? { ...options, antialias: false } : options);
  };
}

/**
 * Draw once in a while alone, until someone scrolls or clicks in an image, or until what is returned is called: it draws what still
 * waits.
 */
export function drawSeldom(engine) {
  const { _render: render, _renderFlaggedViewports: drawFlagged, _resizeOffScreenCanvas: resize } = engine;
  let waiting = null;
  let tookMs = 0;
  const draw = () => {
    waiting = null;
    render.call(engine);
  };
  const seldom = () => {
    waiting ??= setTimeout(draw, Math.max(DRAW_EACH_MS, tookMs / DRAWING_SHARE));
  };
  const putOff = () => {
    clearTimeout(waiting);
    waiting = null;
  };
  // without a graphics card it ends once everything is drawn
  const timed = () => {
    const begun = performance.now();
    drawFlagged.call(engine);
    tookMs = performance.now() - begun;
    if (waiting === null) return;
    putOff(); // it was asked for before this one had begun
    seldom();
  };
  const touched = ({ type, target }) => {
    if (type === 'keydown' || engine.getViewports().some(({ element }) => element.contains(target))) drawOften();
  };
  const drawOften = () => {
    if (engine._render !== seldom) return;
    putOff();
    TOUCHES.forEach((kind) => window.removeEventListener(kind, touched, { capture: true }));
    Object.assign(engine, { _render: render, _renderFlaggedViewports: drawFlagged, _resizeOffScreenCanvas: resize });
    if (!engine.hasBeenDestroyed) draw();
  };
  Object.assign(engine, { _render: seldom, _renderFlaggedViewports: timed });
  // a new size draws by itself, and what it draws is thrown away
  engine._resizeOffScreenCanvas = (canvases) => {
    engine.offscreenMultiRenderWindow.getRenderers().forEach(({ renderer }) => renderer.setDraw(false));
    return resize.call(engine, canvases);
  };
  TOUCHES.forEach((kind) => window.addEventListener(kind, touched, { capture: true }));
  return drawOften;
}

/**
 * The list of series draws its small pictures after the case's own.
 *
 * @param {() => Promise} opened
 */
export function drawThumbnailsLater(extensionManager, opened) {
  const { exports } = extensionManager.getModuleEntry(LIBRARIES);
  const plain = exports.getCornerstoneLibraries;
  if (plain.isMended) return;
  exports.getCornerstoneLibraries = () => {
    const found = plain();
    const { utilities } = found.cornerstone;
    const loadImageToCanvas = async (options) => {
      await opened();
      return utilities.loadImageToCanvas(options);
    };
    return { ...found, cornerstone: { ...found.cornerstone, utilities: { ...utilities, loadImageToCanvas } } };
  };
  exports.getCornerstoneLibraries.isMended = true;
}

/** Wait for something a moment longer, and no longer than that. */
export const soon = (promise, ms = SOON_MS) => Promise.race([promise, new Promise((resolve) => setTimeout(resolve, ms))]);

/** Two frames: what was asked to be drawn before is told to the viewer by then. A page in the background has none. */
export const twoFrames = () => soon(new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));

/**
 * Wait until something is so: it is looked at again whenever the viewer tells of a change.
 *
 * @param {() => any} look
 * @param {(again: () => void) => (() => void)} listen returns what ends it
 */
export function until(look, listen) {
  return new Promise((resolve) => {
    const again = () => {
      const found = look();
      if (!found) return;
      stop();
      resolve(found);
    };
    const stop = listen(again);
    again();
  });
}
