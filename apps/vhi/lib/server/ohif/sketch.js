/**
 * Changed voxels drawn on the images as they are, at once: without a graphics card the viewer needs some tenths of a second to draw them anew,
 * which then takes the place of this. A voxel becomes as grey as the image is there, with the colour of its segment, if any.
 */

import { volumeOf } from './linked_views.js';
import { SEGMENTS } from './segments.js';
import { valueAt } from './slices.js';

const PARALLEL = 0.99;

/**
 * @param {object} viewport an image of the case
 * @param {import('./labelmap.js').Labelmap} labelmap
 * @param {Iterable<number>} places of the voxels that changed
 * @param {(n: number) => number} segmentAt what is seen there now
 */
export function sketch(viewport, labelmap, places, segmentAt) {
  const canvas = viewport.element.querySelector('canvas.cornerstone-canvas');
  const image = volumeOf(viewport);
  const range = viewport.getProperties?.().voiRange;
  const { sizes, directions } = labelmap.place();
  const { focalPoint, viewPlaneNormal } = viewport.getCamera();
  if (!canvas || !image || !range || !isAlong(directions[2], viewPlaneNormal)) return;
  const slice = Math.round(labelmap.pointAt(focalPoint)[2]);
  const inSlice = sizes[0] * sizes[1];
  const scale = canvas.width / canvas.clientWidth;
  const at = (voxel) => viewport.worldToCanvas(labelmap.worldAt(voxel)).map((one) => one * scale);
  const [origin, right, down] = [at([0, 0, slice]), at([1, 0, slice]), at([0, 1, slice])];
  const half = [0, 1].map((axis) => (Math.abs(right[axis] - origin[axis]) + Math.abs(down[axis] - origin[axis])) / 2);
  const context = canvas.getContext('2d');
  const fill = (colour, [x, y]) => {
    const [left, top] = [Math.round(x - half[0]), Math.round(y - half[1])];
    context.fillStyle = colour;
    context.fillRect(left, top, Math.round(x + half[0]) - left, Math.round(y + half[1]) - top);
  };
  for (const n of places) {
    if (Math.floor(n / inSlice) !== slice) continue;
    const [i, j] = [n % sizes[0], Math.floor((n % inSlice) / sizes[0])];
    const place = [0, 1].map((axis) => origin[axis] + i * (right[axis] - origin[axis]) + j * (down[axis] - origin[axis]));
    const value = valueAt(image, labelmap.worldAt([i, j, slice])) ?? range.lower;
    const grey = (255 * (value - range.lower)) / (range.upper - range.lower);
    fill(`rgb(${grey}, ${grey}, ${grey})`, place);
    const colour = SEGMENTS[segmentAt(n) - 1]?.color;
    if (colour) fill(`rgba(${colour.slice(0, 3)}, ${((colour[3] / 255) * labelmap.chosen.opacity) / 100})`, place);
  }
}

function isAlong(direction, normal) {
  const share = direction.reduce((sum, one, axis) => sum + one * normal[axis], 0) / Math.hypot(...direction);
  return Math.abs(share) > PARALLEL;
}
