/** The panel beside the images: VHI, lesions, drawing, and at its foot handing in. */

import { el } from './dom.js';
import { Focus } from './focus.js';
import { cleaningSection, measureButton, numberSection, reliabilitySection, showBusy } from './panel-answer.js';
import { boneSection } from './panel-bone.js';
import { displaySection } from './panel-display.js';
import { drawSection } from './panel-draw.js';
import { keepSection } from './panel-keep.js';
import { lesionSection } from './panel-lesions.js';
import { optionSection } from './panel-options.js';
import { readerSection, showReadings, submitSection } from './panel-submit.js';
import { addStyle } from './style.js';
import { LANGUAGE } from './texts.js';

/** Fill a node of the viewer with the panel, and keep it as the session is. */
export function mountPanel(node, session) {
  if (node.dataset.vhi) return;
  node.dataset.vhi = 'panel';
  addStyle();
  const panel = el('div', { class: 'vhi', id: 'vhi-panel', lang: LANGUAGE });
  node.style.height = '100%';
  node.append(panel);
  // what is typed into or may be pressed just now stays while the rest changes
  const focus = new Focus(panel);
  let kept = [];
  let options = null;
  let askedLast = null; // a question that comes has the keyboard, but none of its answers
  const measure = measureButton(session);
  const [head, rest, foot] = [el('div'), el('div', { class: 'rest' }), el('div')];
  panel.append(readerSection(session), el('section', { class: 'bare' }, measure), head, rest, foot);
  let isPlanned = false;
  let isPressed = false;
  const draw = () => {
    if (!node.isConnected) {
      session.removeEventListener('change', drawSoon);
      gone.abort();
      return;
    }
    if (isPressed) return;
    isPlanned = false;
    if (kept.some((one, n) => one !== [session.reading, session.reading?.options][n]) || !kept.length) {
      options = session.reading ? optionSection(session) : null;
    }
    kept = [session.reading, session.reading?.options];
    const places = [rest.scrollTop, panel.querySelector('.lesions')?.scrollTop ?? 0];
    showReadings(panel, session);
    panel.dataset.pictured = String(session.isPictured);
    panel.ariaBusy = String(session.keeping.isLooking || Boolean(session.reading?.busy));
    const asked = keepSection(session);
    const isFound = Boolean(session.keeping.keeper?.found);
    const parts = isFound ? [] : [lesionSection, cleaningSection, reliabilitySection, drawSection, boneSection, displaySection];
    const sections = [...parts.map((part) => session.folds.fold(part(session))), isFound ? null : options];
    focus.keep(() => {
      showBusy(measure, session);
      rest.replaceChildren(...[asked, state(session), ...sections].filter(Boolean));
      head.replaceChildren(...[isFound ? null : numberSection(session)].filter(Boolean));
      foot.replaceChildren(...[isFound ? null : submitSection(session)].filter(Boolean));
    });
    const question = panel.querySelector('#vhi-draft, #vhi-conflict, #vhi-question');
    if (question && question.id !== askedLast) question.focus();
    askedLast = question?.id ?? null;
    const list = panel.querySelector('.lesions');
    rest.scrollTop = asked ? 0 : places[0];
    if (list) [, list.scrollTop] = places;
  };
  // once the images are out, which a click or a key changes first: a long list takes longer than a frame; a page in the background draws none
  const plan = () => {
    if (document.hidden) setTimeout(draw);
    else requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(draw)));
  };
  const drawSoon = () => {
    if (isPlanned) return;
    isPlanned = true;
    panel.ariaBusy = 'true';
    plan();
  };
  // a click is what is pressed and let go on one button: none is replaced in between; the browser's own list of a choice may take the end
  const gone = new AbortController();
  const letGo = () => {
    isPressed = false;
    if (isPlanned) plan();
  };
  panel.addEventListener('pointerdown', ({ button, target }) => (isPressed = button === 0 && !target.closest('select')));
  for (const type of ['pointerup', 'pointercancel']) window.addEventListener(type, letGo, { capture: true, signal: gone.signal });
  window.addEventListener('blur', letGo, { signal: gone.signal });
  session.addEventListener('change', drawSoon);
  draw();
}

function state({ reading, coming, why }) {
  const text = reading ? reading.message : coming?.message || why;
  return text ? el('div', { class: reading ? 'warn' : 'note', id: 'vhi-message', role: 'status' }, text) : null;
}
