/** Part of the panel: windows, overlay, and the value under the pointer. */

import { PRESETS } from './display.js';
import { button, el } from './dom.js';

const ROLES = { stir: 'STIR', t1w: 'T1W' };

export function displaySection(desk) {
  const { display, reading } = desk;
  if (!reading) return null;
  const { opacity, isFilled } = display.chosen;
  const range = el('input', {
    type: 'range',
    min: 0,
    max: 100,
    step: 5,
    value: opacity,
    id: 'vhi-opacity',
    oninput: ({ target }) => display.draw({ opacity: Number(target.value) }, reading.labelmap),
  });
  const fill = el('input', {
    type: 'checkbox',
    checked: isFilled,
    id: 'vhi-fill',
    onchange: ({ target }) => display.draw({ isFilled: target.checked }, reading.labelmap),
  });
  const both = el('input', {
    type: 'checkbox',
    checked: reading.both,
    id: 'vhi-both',
    onchange: ({ target }) => reading.showBoth(target.checked),
  });
  const numbered = el('input', {
    type: 'checkbox',
    checked: display.chosen.isNumbered,
    id: 'vhi-numbered',
    onchange: ({ target }) => desk.number(target.checked),
  });
  const windows = Object.entries(ROLES).map(([role, text]) =>
    el(
      'div',
      { class: 'line' },
      text,
      Object.keys(PRESETS).map((name) => button(name, () => display.usePreset(role, name), { data: { window: `${role}-${name}` } })),
    ),
  );
  const { sensitive, conservative } = reading.now?.thresholds ?? {};
  return el(
    'section',
    {},
    el('h3', {}, 'Display'),
    sensitive === undefined ? null : el('div', { class: 'told', id: 'vhi-thresholds' }, `Thresholds ${shown(sensitive)} and ${shown(conservative)}`),
    el('div', { class: 'told', id: 'vhi-value' }, desk.valueText),
    el(
      'div',
      { class: 'line' },
      button('Zoom to disease region', () => desk.zoomToRegion(), { id: 'vhi-zoom', title: 'Both images; key z', disabled: Boolean(reading.busy) }),
      button('Reset views', () => desk.resetViews(), { id: 'vhi-reset', title: 'Slice, zoom, place and window as the case was opened; the space bar' }),
    ),
    windows,
    el('label', { class: 'line' }, 'Colours', range),
    el('label', { class: 'line' }, fill, 'filled, not outlines alone'),
    el('label', { class: 'line' }, both, 'conservative in red'),
    el('label', { class: 'line' }, numbered, 'numbers of lesions on the images'),
  );
}

export const shown = (value) => (value >= 100 ? value.toFixed(0) : value.toPrecision(3));
