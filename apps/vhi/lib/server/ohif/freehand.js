/** Drawing by the pointer, on STIR's voxels whichever image it is in: brush and eraser while it moves, shapes when it is let go. */

import { erased, painted } from './cells.js';
import { circle, gridOf, polygon, stroke } from './drawing.js';
import { paintable, whyNotPainted } from './painting.js';
import { t } from './texts.js';

const RING = 'vhi-ring';
export const BRUSHES = ['brush', 'eraser'];

export class Freehand {
  #desk;
  #stroke = null; // under way: its reading, tool, grid, slice, voxels, and what becomes of them

  /** @param {{reading: object, tool: string, brushMm: number, say: (message: string) => void}} desk */
  constructor(desk) {
    this.#desk = desk;
  }

  /** The pointer was pressed, or moved since: its path on the viewport's canvas so far. */
  moved(viewport, path) {
    if (path.length === 1) this.#begin(viewport, path[0]);
    if (!this.#stroke || !BRUSHES.includes(this.#stroke.tool)) return;
    const { reading, grid, slice, radius, places, change } = this.#stroke;
    const [from, to] = path.slice(-2).concat(path.length === 1 ? path : []).map((point) => pointAt(reading, viewport, point));
    const added = stroke(grid, slice, from, to, radius).filter((n) => !places.has(n));
    added.forEach((n) => places.add(n));
    reading.preview(added, change);
  }

  /** The pointer was let go. */
  drawn(viewport, path) {
    if (!this.#stroke) return;
    const { reading, tool, grid, slice, places, change } = this.#stroke;
    this.#stroke = null;
    const [first, last] = [path[0], path[path.length - 1]];
    const corners = tool === 'rectangle' ? cornersOf(first, last) : [first, last];
    const points = corners.map((point) => pointAt(reading, viewport, point));
    const shape = { circle: () => circle(grid, slice, ...points), rectangle: () => polygon(grid, slice, points) }[tool];
    reading.draw(shape ? shape() : [...places], change);
  }

  /** The stroke under way is given up. */
  dropped() {
    const { reading, places } = this.#stroke ?? {};
    this.#stroke = null;
    reading?.preview([...places], (cell) => cell);
  }

  #begin(viewport, point) {
    const { reading, tool, brushMm } = this.#desk;
    const grid = gridOf(reading.labelmap.place());
    const slice = Math.round(reading.labelmap.pointAt(viewport.canvasToWorld(point))[2]);
    const index = reading.labelmap.active;
    const why = whyNot(reading.labelmap, viewport, slice, grid) || (tool === 'eraser' ? '' : whyNotPainted(this.#desk, index));
    if (why) this.#desk.say(why);
    const isPaintable = why ? null : paintable(this.#desk, index);
    const change = tool === 'eraser' ? erased : (cell, n) => (isPaintable(n) ? painted(cell, index) : cell);
    this.#stroke = why ? null : { reading, tool, grid, slice, radius: brushMm, places: new Set(), change };
  }

  /** A ring of the brush's size under the pointer, in the image that it is over. */
  ring(viewport, world) {
    const { reading, tool, brushMm } = this.#desk;
    const isShown = Boolean(reading && world && BRUSHES.includes(tool));
    for (const one of document.querySelectorAll(`.${RING}`)) if (!isShown || one.parentElement !== viewport.element) one.remove();
    if (!isShown) return;
    const ring = viewport.element.querySelector(`:scope > .${RING}`) ?? viewport.element.appendChild(document.createElement('div'));
    const [x, y] = viewport.worldToCanvas(world);
    const radius = brushMm / mmPerPixel(viewport);
    ring.className = RING;
    ring.style.cssText = `width:${2 * radius}px;height:${2 * radius}px;transform:translate(${x - radius}px,${y - radius}px)`;
  }
}

const pointAt = ({ labelmap }, viewport, point) => labelmap.pointAt(viewport.canvasToWorld(point)).slice(0, 2);

const cornersOf = ([x0, y0], [x1, y1]) => [[x0, y0], [x1, y0], [x1, y1], [x0, y1]];

const FAR_PX = 1000;

function mmPerPixel(viewport) {
  const [one, other] = [[0, 0], [FAR_PX, 0]].map((point) => viewport.canvasToWorld(point));
  return Math.hypot(...one.map((value, n) => value - other[n])) / FAR_PX;
}

/** Why nothing can be drawn in an image at a slice of STIR; none when it can. */
function whyNot(labelmap, viewport, slice, { sizes }) {
  const { viewPlaneNormal } = viewport.getCamera();
  const [, , along] = labelmap.place().directions;
  const share = along.reduce((sum, value, n) => sum + value * viewPlaneNormal[n], 0) / Math.hypot(...along);
  if (Math.abs(share) < Math.SQRT1_2) return t('draw.across');
  return slice < 0 || slice >= sizes[2] ? t('draw.no_slice') : '';
}
