/** Part of the panel: windows, overlay, and the value under the pointer. */

import { PRESETS } from './display.js';
import { button, el } from './dom.js';
import { t } from './texts.js';

const ROLES = { stir: 'STIR', t1w: 'T1W' };
const WINDOWS = { scan: t('window.scan'), bright: t('window.bright'), fluid: t('window.fluid') };

export function displaySection(session) {
  const { display, reading } = session;
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
    onchange: ({ target }) => session.number(target.checked),
  });
  const windows = Object.entries(ROLES).map(([role, text]) =>
    el(
      'div',
      { class: 'line' },
      text,
      Object.keys(PRESETS).map((name) => button(WINDOWS[name], () => display.usePreset(role, name), { data: { window: `${role}-${name}` } })),
    ),
  );
  const { sensitive, conservative } = reading.now?.thresholds ?? {};
  return el(
    'section',
    { data: { name: 'Display' } },
    el('h3', {}, t('display')),
    sensitive === undefined ? null : el('div', { class: 'note', id: 'vhi-thresholds' }, t('display.thresholds', { sensitive: shown(sensitive), conservative: shown(conservative) })),
    el('div', { class: 'note', id: 'vhi-value' }, session.valueText),
    el(
      'div',
      { class: 'line' },
      button(t('display.zoom_to_region'), () => session.zoomToRegion(), { id: 'vhi-zoom', title: t('display.zoom_to_region.title'), disabled: Boolean(reading.busy) }),
      button(t('display.reset'), () => session.resetViews(), { id: 'vhi-reset', title: t('display.reset.title') }),
    ),
    windows,
    el('label', { class: 'line' }, t('display.colours'), range),
    el('label', { class: 'line' }, fill, t('display.filled')),
    el('label', { class: 'line' }, both, t('display.both')),
    el('label', { class: 'line' }, numbered, t('display.numbers')),
  );
}

export const shown = (value) => (value >= 100 ? value.toFixed(0) : value.toPrecision(3));
