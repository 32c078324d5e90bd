/** Part of the panel: drawing regions and inflammation by hand. */

import { VIEW } from './desk.js';
import { button, el } from './dom.js';
import { BONE, INFLAMMATION, REGION, SEGMENTS } from './segments.js';

const TOOLS = { CircularBrush: 'Brush', CircularEraser: 'Eraser', CircleScissor: 'Circle', RectangleScissor: 'Rectangle' };

export function drawSection(desk) {
  const { reading } = desk;
  if (!reading) return null;
  const active = reading.labelmap.active;
  const segment = (index) => {
    const { name, color } = SEGMENTS[index - 1];
    const pick = () => {
      reading.labelmap.activate(index);
      if (desk.tool === VIEW) desk.take('CircularBrush');
      else desk.changed();
    };
    const swatch = el('span', { class: 'swatch', style: `background:rgb(${color.slice(0, 3)});margin-right:4px` });
    return el(
      'button',
      { type: 'button', onclick: pick, ariaPressed: String(active === index), data: { segment: name } },
      swatch,
      name,
    );
  };
  const tool = ([name, text]) =>
    button(text, () => desk.take(desk.tool === name ? VIEW : name), {
      ariaPressed: String(desk.tool === name),
      data: { tool: name },
    });
  const size = el('input', {
    type: 'range',
    min: 1,
    max: 20,
    step: 0.5,
    value: desk.brushMm,
    title: 'Radius of brush and eraser',
    oninput: (event) => desk.setBrush(Number(event.target.value)),
  });
  return el(
    'section',
    {},
    el('h3', {}, 'Draw'),
    el('div', { class: 'line' }, [INFLAMMATION, REGION, BONE].map(segment)),
    el(
      'div',
      { class: 'line' },
      Object.entries(TOOLS).map(tool),
      button('Undo', () => reading.undo(), { id: 'vhi-undo', title: 'Ctrl+Z', disabled: !reading.history.length }),
    ),
    el('label', { class: 'line' }, 'Size', size),
    el(
      'div',
      { class: 'line' },
      button('Show disease region', () => reading.showRegion('disease_region'), { disabled: Boolean(reading.busy) }),
      button('Show normal bone', () => reading.showRegion('normal_bone'), { disabled: Boolean(reading.busy) }),
    ),
  );
}
