/**
 * All images of a case move together: slice, zoom and pan are taken over by their place in space, whatever moved them (wheel, keys,
 * scroll bar, mouse, list of lesions). The viewer's own synchroniser of slices listens for `VOLUME_NEW_IMAGE`, which is no event.
 */

import { nearestSlice } from './slices.js';

const MOVED = 'CORNERSTONE_CAMERA_MODIFIED';
const SAME_MM = 1e-3;
const FRAME = 1.05; // around what is enlarged to

export class LinkedViews {
  #views;
  #active;
  #leader = null; // the id of the viewport that was touched last; the others follow it
  #isMoving = false;
  onReset = () => {}; // what else is put back

  /**
   * @param {() => {id: string, viewport: object}[]} views of the open case, the one that leads at first before the others
   * @param {{get: () => string, set: (id: string) => void}} active the viewport that keys and the toolbar work on
   */
  constructor(views, active) {
    this.#views = () => views().filter(({ viewport }) => volumeOf(viewport));
    this.#active = active;
    const listen = (kind, tell) => window.addEventListener(kind, tell, { capture: true, passive: true });
    listen('pointermove', (event) => this.#activate(event));
    for (const kind of ['wheel', 'pointerdown', 'keydown']) listen(kind, (event) => this.#noteTouch(event));
    // these events do not bubble, but pass the window on their way down
    listen(MOVED, () => this.#align());
  }

  #under(target) {
    return this.#views().find(({ viewport }) => frameOf(viewport).contains(target));
  }

  /** The viewer gives the first turn of the wheel and the first press in another image to nothing but choosing that image. */
  #activate({ buttons, target }) {
    const view = buttons ? null : this.#under(target);
    if (view && view.id !== this.#active.get()) this.#active.set(view.id);
  }

  #noteTouch({ type, target }) {
    const touched = type === 'keydown' ? null : this.#under(target);
    const ids = this.#views().map(({ id }) => id);
    this.#leader = [touched?.id, type !== 'wheel' && this.#active.get(), this.#leader].find((id) => ids.includes(id)) ?? null;
  }

  /** Whatever moved: the others are where the leader is. A viewport that is made anew comes to it, and does not take it along. */
  #align() {
    this.#together((views) => {
      const leader = views.find(({ id }) => id === this.#leader) ?? views[0];
      for (const view of views) if (view !== leader) follow(view.viewport, leader.viewport);
    });
  }

  /** Move them without hearing of it. */
  #together(move) {
    const views = this.#views();
    if (this.#isMoving || !views.length) return;
    this.#isMoving = true;
    try {
      move(views);
    } finally {
      this.#isMoving = false;
    }
  }

  /** Scroll all of them to the slice of a point; nothing moves within the slice. */
  show(world) {
    this.#together((views) => {
      this.#leader = views[0].id;
      for (const { viewport } of views) moveTo(viewport, alongNormal(viewport, world));
    });
  }

  /** Slice, zoom, pan and window as they were when the case was opened. */
  reset() {
    this.#together((views) => {
      for (const { viewport } of views) {
        viewport.resetProperties();
        viewport.resetCamera();
        viewport.render();
      }
    });
    this.onReset();
    this.#leader = this.#views()[0]?.id ?? null;
    this.#align();
  }

  /** Enlarge all of them to some points in space, seen along the slices; the slice stays. */
  frame(points) {
    this.#together(([{ id, viewport }, ...others]) => {
      this.#leader = id;
      fitTo(viewport, points);
      for (const view of others) follow(view.viewport, viewport);
    });
  }

  /** Enlarge by a factor about the middle. */
  zoom(factor) {
    const view = this.#views().find(({ id }) => id === this.#active.get());
    if (!view) return;
    const { parallelScale } = view.viewport.getCamera();
    view.viewport.setCamera({ parallelScale: parallelScale / factor });
    view.viewport.render();
  }
}

/** The volume that a viewport shows first; null while there is none. */
export function volumeOf(viewport) {
  const [id] = viewport.getAllVolumeIds?.() ?? [];
  return (id && window.cornerstone.cache.getVolume(id)) || null;
}

/** An image with its scroll bar. The frame around them takes the pointer's events while another image is the active one. */
export const frameOf = (viewport) => viewport.element.closest('[data-cy="viewport-pane"]').parentElement;

const dot = (one, other) => one.reduce((sum, value, n) => sum + value * other[n], 0);
const minus = (one, other) => one.map((value, n) => value - other[n]);
export const cross = ([a, b, c], [d, e, f]) => [b * f - c * e, c * d - a * f, a * e - b * d];
const plus = (one, step, direction) => one.map((value, n) => value + step * direction[n]);

/** The middle of a viewport, moved along its normal to the slice of a point. */
function alongNormal(viewport, world) {
  const { focalPoint, viewPlaneNormal } = viewport.getCamera();
  return plus(focalPoint, dot(minus(world, focalPoint), viewPlaneNormal), viewPlaneNormal);
}

/** Show what another viewport shows: the nearest slice, the same middle, as many millimetres in a pixel. */
function follow(viewport, leader) {
  const { focalPoint, viewPlaneNormal, parallelScale } = leader.getCamera();
  // a plane across the slices has no slice in common with them
  if (Math.abs(dot(viewPlaneNormal, viewport.getCamera().viewPlaneNormal)) < Math.SQRT1_2) return;
  if (leader.getFrameOfReferenceUID() !== viewport.getFrameOfReferenceUID()) return;
  moveTo(viewport, focalPoint, (parallelScale * viewport.element.clientHeight) / leader.element.clientHeight);
}

/** The smallest view in its place that holds some points, with a margin. */
function fitTo(viewport, points) {
  const { focalPoint, position, viewUp, viewPlaneNormal } = viewport.getCamera();
  const { clientWidth, clientHeight } = viewport.element;
  const across = [cross(viewUp, viewPlaneNormal), viewUp].map((along) => {
    const at = points.map((point) => dot(minus(point, focalPoint), along));
    const [low, high] = [Math.min(...at), Math.max(...at)];
    return { along, middle: (low + high) / 2, half: (high - low) / 2 };
  });
  const [x, y] = across;
  const step = across.reduce((sum, { along, middle }) => plus(sum, middle, along), [0, 0, 0]);
  const parallelScale = FRAME * Math.max(y.half, (x.half * clientHeight) / clientWidth);
  viewport.setCamera({ focalPoint: plus(focalPoint, 1, step), position: plus(position, 1, step), parallelScale });
  viewport.render();
}

function moveTo(viewport, point, parallelScale = viewport.getCamera().parallelScale) {
  const camera = viewport.getCamera();
  const focalPoint = nearestSlice(volumeOf(viewport), point, camera.viewPlaneNormal).point;
  const step = minus(focalPoint, camera.focalPoint);
  if (Math.hypot(...step) < SAME_MM && Math.abs(parallelScale - camera.parallelScale) < SAME_MM) return;
  viewport.setCamera({ focalPoint, position: plus(camera.position, 1, step), parallelScale });
  viewport.render();
}
