/** Part of the panel: drawing regions and inflammation by hand. */

import { button, el } from './dom.js';
import { showRegion } from './measuring.js';
import { thresholdOf } from './painting.js';
import { PARTS } from './parts.js';
import { shown } from './panel-display.js';
import { BONE, DRAWN, REGION, SEGMENTS, SEGMENT_TEXTS } from './segments.js';
import { t } from './texts.js';
import { BONE_CLICK, RADIUS_MM, VIEW } from './tools.js';

const TOOLS = { [VIEW]: t('tool.window'), brush: t('tool.brush'), eraser: t('tool.eraser'), circle: t('tool.circle'), rectangle: t('tool.rectangle') };

export function drawSection(session) {
  const { reading } = session;
  if (!reading) return null;
  const active = reading.labelmap.active;
  const segment = (index) => {
    const { name, color } = SEGMENTS[index - 1];
    const pick = () => {
      reading.labelmap.activate(index);
      if (session.tool === VIEW) session.take('brush');
      else session.changed();
    };
    const swatch = el('span', { class: 'swatch', style: `background:rgb(${color.slice(0, 3)});margin-right:4px` });
    return el(
      'button',
      { type: 'button', onclick: pick, ariaPressed: String(active === index), data: { segment: name } },
      swatch,
      SEGMENT_TEXTS[index],
    );
  };
  const tool = ([name, text]) =>
    button(text, () => session.take(name), {
      ariaPressed: String(session.tool === name),
      data: { tool: name },
    });
  const size = el('input', {
    type: 'range',
    min: RADIUS_MM.least,
    max: RADIUS_MM.most,
    step: RADIUS_MM.step,
    value: session.brushMm,
    id: 'vhi-brush',
    title: t('draw.radius.title'),
    oninput: ({ target }) => {
      session.setBrush(Number(target.value));
      radiusText.textContent = radius(session);
    },
  });
  const radiusText = el('span', { class: 'mm', id: 'vhi-brush-mm' }, radius(session));
  const value = thresholdOf(reading);
  const threshold = el('input', {
    type: 'checkbox',
    checked: session.isThresholded,
    id: 'vhi-threshold-only',
    onchange: ({ target }) => session.threshold(target.checked),
  });
  return el(
    'section',
    { data: { name: 'Draw' } },
    el('h3', {}, t('draw')),
    el('div', { class: 'line' }, DRAWN.map(segment)),
    el(
      'div',
      { class: 'line' },
      Object.entries(TOOLS).map(tool),
    ),
    el('label', { class: 'line' }, t('draw.radius'), size, radiusText),
    el('label', { class: 'line' }, threshold, value === undefined ? t('draw.only_bright') : t('draw.only_above', { value: shown(value) })),
    el(
      'div',
      { class: 'line', title: t('part.title') },
      Object.entries(PARTS).map(tool),
    ),
    growthLine(session),
    el(
      'div',
      { class: 'line' },
      proposal(reading, 'disease_region', REGION),
      proposal(reading, 'normal_bone', BONE),
      button(t('draw.bone_click'), () => session.take(BONE_CLICK), {
        ariaPressed: String(session.tool === BONE_CLICK),
        title: t('draw.bone_click.title'),
        data: { tool: BONE_CLICK },
      }),
    ),
  );
}

/** By how much grow and shrink change what is drawn. */
function growthLine(session) {
  const growthText = el('span', { class: 'mm', id: 'vhi-grow-mm' }, growth(session));
  const by = el('input', {
    type: 'range',
    min: 0,
    max: RADIUS_MM.most,
    step: RADIUS_MM.step,
    value: session.growMm,
    id: 'vhi-grow',
    title: t('draw.growth.title'),
    oninput: ({ target }) => {
      session.growMm = Number(target.value);
      growthText.textContent = growth(session);
    },
  });
  return el('label', { class: 'line' }, t('draw.growth'), by, growthText);
}

const growth = ({ growMm }) => (growMm ? `${growMm} mm` : t('draw.a_voxel'));
const radius = ({ brushMm }) => `${brushMm} mm`;

/** Draws what the server proposes for a region, in place of what is drawn of it. */
function proposal(reading, model, index) {
  const segment = SEGMENT_TEXTS[index];
  const text = reading.hasRegion(index) ? t('draw.put_back', { segment }) : t('draw.show', { segment });
  return button(text, () => showRegion(reading, model), {
    title: t('draw.proposal.title'),
    disabled: Boolean(reading.busy),
    data: { proposal: model },
  });
}
