/**
 * Numbers of the lesions beside them on the images, as in the list, with its marks: R for proposed to be removed, ? for unsure.
 */

import { el } from './dom.js';
import { listed } from './panel-lesions.js';
import { t } from './texts.js';

/**
 * @param {object} desk its list of lesions and its label map
 * @param {() => {viewport: object}[]} views the images of the case
 */
export function showNumbers(desk, views) {
  let of = null; // the measurement that the boxes are of
  let boxes = new Map();
  const draw = () => {
    const { reading } = desk;
    const isShown = desk.display.chosen.isNumbered && desk.isOverlayShown && reading?.facts;
    if (isShown && of !== reading.state.measured) [of, boxes] = [reading.state.measured, boxesOf(reading)];
    const rows = isShown ? listed(desk).whole.filter(({ isGone }) => !isGone) : [];
    for (const { viewport } of views()) place(viewport, reading?.labelmap, rows, boxes);
  };
  window.addEventListener('CORNERSTONE_IMAGE_RENDERED', draw, { capture: true, passive: true });
  desk.addEventListener('change', draw);
}

/** By slice and lesion: the voxels [i, j] between which it lies. */
function boxesOf({ state: { measured } }) {
  const found = new Map();
  for (const id of measured.lesions.ids) {
    for (const [i, j, k] of measured.lesions.pointsOf(id)) {
      const key = `${k} ${id}`;
      const box = found.get(key) ?? [i, j, i, j];
      found.set(key, [Math.min(box[0], i), Math.min(box[1], j), Math.max(box[2], i), Math.max(box[3], j)]);
    }
  }
  return found;
}

function place(viewport, labelmap, rows, boxes) {
  const { element } = viewport;
  let layer = element.querySelector(':scope > .vhi-numbers');
  if (!layer && !rows.length) return;
  if (!layer) {
    layer = el('div', { class: 'vhi-numbers' });
    element.append(layer);
  }
  const slice = rows.length ? Math.round(labelmap.pointAt(viewport.getCamera().focalPoint)[2]) : null;
  const labels = rows.flatMap(({ lesion }) => {
    const box = boxes.get(`${slice} ${lesion.id}`);
    if (!box) return [];
    const corners = [[box[0], box[1]], [box[2], box[3]]].map(([i, j]) => viewport.worldToCanvas(labelmap.worldAt([i, j, slice])));
    const [x, y] = [Math.max(...corners.map(([at]) => at)), Math.min(...corners.map(([, at]) => at))];
    const label = el('span', {}, `${lesion.id}${lesion.uncertain ? '?' : lesion.keep === false ? t('lesion.mark') : ''}`);
    label.style.transform = `translate(${x + 3}px, ${y - 12}px)`;
    return [label];
  });
  layer.replaceChildren(...labels);
}
