/** A cross at the place of the pointer in every other image of the case, where that shows the place. It costs no drawing. */

import { frameOf, volumeOf } from './linked_views.js';
import { nearestSlice } from './slices.js';

const EVENTS = ['pointermove', 'pointerdown', 'wheel', 'CORNERSTONE_IMAGE_RENDERED'];
const TOLERANCE_MM = 0.01;

/**
 * @param {() => {id: string, viewport: object}[]} views
 * @param {(viewport: object|null, world: number[]|null) => void} report over which image, and where
 */
export function markPointer(views, report) {
  let pointer = null; // where it was seen last
  const draw = (event) => {
    if (event.clientX !== undefined) pointer = { x: event.clientX, y: event.clientY, target: event.target };
    const shown = pointer ? views().filter(({ viewport }) => volumeOf(viewport)) : [];
    const over = shown.find(({ viewport }) => frameOf(viewport).contains(pointer.target));
    const world = over ? worldAt(over.viewport, pointer) : null;
    for (const { viewport } of shown) place(viewport, viewport !== over?.viewport ? world : null);
    report(over?.viewport ?? null, world);
  };
  for (const kind of EVENTS) window.addEventListener(kind, draw, { capture: true, passive: true });
}

function worldAt(viewport, { x, y }) {
  const { left, top } = viewport.element.getBoundingClientRect();
  return viewport.canvasToWorld([x - left, y - top]);
}

/** The cross of a viewport at a point in space, or none: outside the image, or farther away than half the way to the next slice. */
function place(viewport, world) {
  const { element } = viewport;
  let cross = element.querySelector(':scope > .vhi-cross');
  const at = world && isShown(viewport, world) ? viewport.worldToCanvas(world) : null;
  const isWithin = at && at[0] >= 0 && at[1] >= 0 && at[0] < element.clientWidth && at[1] < element.clientHeight;
  if (!cross && isWithin) {
    cross = document.createElement('div');
    cross.className = 'vhi-cross';
    element.append(cross);
  }
  if (cross) cross.hidden = !isWithin;
  if (isWithin) cross.style.transform = `translate(${at[0]}px, ${at[1]}px)`;
}

function isShown(viewport, world) {
  const { focalPoint, viewPlaneNormal } = viewport.getCamera();
  const away = Math.abs(viewPlaneNormal.reduce((sum, one, n) => sum + one * (world[n] - focalPoint[n]), 0));
  return away <= nearestSlice(volumeOf(viewport), focalPoint, viewPlaneNormal).spacing / 2 + TOLERANCE_MM;
}
