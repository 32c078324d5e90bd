/**
 * Words beside what is drawn on the images. Always: what a region is, and R for proposed to be removed. On request the numbers of the lesions
 * as in the list, with its marks: R, and ? for unsure.
 */

import { el } from './dom.js';
import { listed } from './panel-lesions.js';
import { PROPOSED_MARK, marksIn } from './part_marks.js';

/**
 * @param {object} session its list of lesions and its label map
 * @param {() => {viewport: object}[]} views the images of the case
 */
export function showNumbers(session, views) {
  let of = null; // the measurement that the boxes are of
  let boxes = new Map();
  const draw = () => {
    const { reading } = session;
    const isNumbered = session.display.chosen.isNumbered && reading?.facts;
    if (isNumbered && of !== reading.state.measured) [of, boxes] = [reading.state.measured, boxesOf(reading)];
    const rows = isNumbered ? listed(session).whole.filter(({ isGone }) => !isGone) : [];
    const wordsIn = (slice) => [...numbersIn(slice, rows, boxes), ...marks(reading, slice, isNumbered)];
    for (const { viewport } of views()) place(viewport, session.isOverlaySeen && reading?.drawnCells ? reading.labelmap : null, wordsIn);
  };
  window.addEventListener('CORNERSTONE_IMAGE_RENDERED', draw, { capture: true, passive: true });
  session.addEventListener('change', draw);
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

/** The words of the parts in a slice; not R, where the numbers say that. */
function marks({ drawnCells, labelmap }, slice, isNumbered) {
  const found = marksIn(drawnCells, labelmap.place().sizes, slice);
  return isNumbered ? found.filter(({ text }) => text !== PROPOSED_MARK) : found;
}

/** The numbers of lesions in a slice, each at the upper end of its box. */
function numbersIn(slice, rows, boxes) {
  return rows.flatMap(({ lesion }) => {
    const box = boxes.get(`${slice} ${lesion.id}`);
    const text = `${lesion.id}${lesion.uncertain ? '?' : lesion.keep === false ? PROPOSED_MARK : ''}`;
    return box ? [{ text, voxel: [box[2], box[1], slice] }] : [];
  });
}

/** Words beside their voxels, in the slice that an image shows; none without a label map. */
function place(viewport, labelmap, wordsIn) {
  const { element } = viewport;
  const slice = labelmap && Math.round(labelmap.pointAt(viewport.getCamera().focalPoint)[2]);
  const words = labelmap ? wordsIn(slice) : [];
  let layer = element.querySelector(':scope > .vhi-numbers');
  if (!layer && !words.length) return;
  if (!layer) {
    layer = el('div', { class: 'vhi-numbers' });
    element.append(layer);
  }
  layer.replaceChildren(...words.map(({ text, voxel }) => word(text, viewport.worldToCanvas(labelmap.worldAt(voxel)))));
}

function word(text, [x, y]) {
  const found = el('span', {}, text);
  found.style.transform = `translate(${x + 3}px, ${Math.max(y - 12, 1)}px)`;
  return found;
}
