/** The panel beside the images: VHI, lesions, drawing, handing in. */

import { el } from './dom.js';
import { lesionSection, measureButton, showBusy, vhiSection } from './panel-answer.js';
import { drawSection } from './panel-draw.js';
import { optionSection } from './panel-options.js';
import { readerSection, submitSection } from './panel-submit.js';
import { addStyle } from './style.js';

/** Fill a node of the viewer with the panel, and keep it as the desk is. */
export function mountPanel(node, desk) {
  if (node.dataset.vhi) return;
  node.dataset.vhi = 'panel';
  addStyle();
  const panel = el('div', { class: 'vhi', id: 'vhi-panel' });
  node.style.height = '100%';
  node.append(panel);
  // what is typed into or may be pressed just now stays while the rest changes
  let kept = null;
  let options = null;
  const measure = measureButton(desk);
  const rest = el('div');
  panel.append(readerSection(desk), el('section', {}, measure), rest);
  const draw = () => {
    if (!node.isConnected) {
      desk.removeEventListener('change', draw);
      return;
    }
    if (kept !== desk.reading) options = desk.reading ? optionSection(desk) : null;
    kept = desk.reading;
    const place = panel.querySelector('.lesions')?.scrollTop ?? 0;
    showBusy(measure, desk);
    const sections = [vhiSection(desk), lesionSection(desk), submitSection(desk), drawSection(desk), options];
    rest.replaceChildren(...[state(desk), ...sections].filter(Boolean));
    const list = panel.querySelector('.lesions');
    if (list) list.scrollTop = place;
  };
  desk.addEventListener('change', draw);
  draw();
}

function state({ reading, coming, why }) {
  const text = reading ? reading.message : coming?.message || why;
  return text ? el('div', { class: reading ? 'warn' : 'told', id: 'vhi-message', role: 'status' }, text) : null;
}
