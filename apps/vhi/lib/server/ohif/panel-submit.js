/** Parts of the panel: who reads, rating and submission, the next case. */

import { button, choice, count, el } from './dom.js';

const RATINGS = { '': 'not rated', satisfactory: 'satisfactory', corrected: 'corrected', failed: 'failed' };

export function submitSection(desk) {
  const { reading } = desk;
  if (!reading) return null;
  const isWaiting = Boolean(reading.busy) || !desk.reader;
  const strokes = desk.effort.strokes;
  const told =
    strokes && !reading.submitted
      ? el('div', { class: 'told' }, `${count(strokes, 'stroke')} by hand; measured when submitted.`)
      : null;
  return el(
    'section',
    {},
    el('h3', {}, 'Hand in'),
    el(
      'label',
      { class: 'line' },
      'Automatic region',
      choice(RATINGS, desk.rating, (value) => (desk.rating = value), { id: 'vhi-rating' }),
    ),
    told,
    el(
      'div',
      { class: 'line' },
      button(reading.busy === 'Submitting' ? 'Submitting ...' : 'Submit label', () => reading.submit(desk.rating), {
        class: 'main grow',
        id: 'vhi-submit',
        disabled: isWaiting,
        title: desk.reader ? '' : 'Enter your name first',
      }),
      button('Next case', () => reading.next(), { id: 'vhi-next', disabled: isWaiting }),
    ),
  );
}

export function readerSection(desk) {
  if (desk.told.reader) return el('section', {}, el('div', { class: 'told' }, `Reader: ${desk.told.reader}`));
  const name = el('input', {
    type: 'text',
    value: desk.reader ?? '',
    placeholder: 'Your name',
    maxLength: 64,
    id: 'vhi-reader-name',
    oninput: (event) => (desk.reader = event.target.value.trim()),
  });
  return el('section', {}, el('label', { class: 'line' }, 'Reader', name));
}
