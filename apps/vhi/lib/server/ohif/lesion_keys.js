/** The keys of a reading beside those of the images (keys.js): lesions, tools, the coloured overlay, handing in; `?` shows them. */

import { button, el } from './dom.js';
import { clean, decide } from './measuring.js';
import { listed } from './panel-lesions.js';
import { DRAWN } from './segments.js';
import { next, submit } from './submitting.js';
import { LANGUAGE, t } from './texts.js';
import { CLEANING, RADIUS_MM, SPLIT, VIEW } from './tools.js';

/** By key: what it says in the list of keys, and what it does with the session. */
export const KEYS = {
  n: [t('key.next'), (session) => step(session, 1)],
  p: [t('key.previous'), (session) => step(session, -1)],
  u: [t('key.unsure'), (session) => step(session, 1, ({ lesion }) => lesion.uncertain)],
  x: [t('key.remove'), (session) => act(session, 'remove')],
  r: [t('key.restore'), (session) => act(session, 'restore')],
  o: [t('key.overlay'), (session) => session.showOverlay(!session.isOverlayShown)],
  l: [t('key.numbers'), (session) => session.number(!session.display.chosen.isNumbered)],
  z: [t('key.zoom_to_region'), (session) => session.zoomToRegion()],
  h: [t('key.peek'), (session) => session.peek(true)],
  b: [t('key.brush'), (session) => session.take('brush')],
  e: [t('key.eraser'), (session) => session.take('eraser')],
  q: [t('key.circle'), (session) => session.take('circle')],
  k: [t('key.rectangle'), (session) => session.take('rectangle')],
  d: [t('key.segment'), (session) => nextSegment(session)],
  t: [t('key.threshold'), (session) => session.threshold(!session.isThresholded)],
  '[': [t('key.smaller'), (session) => brush(session, -RADIUS_MM.step)],
  ']': [t('key.larger'), (session) => brush(session, RADIUS_MM.step)],
  g: [t('key.grow'), (session) => session.actUnderPointer('grow')],
  s: [t('key.shrink'), (session) => session.actUnderPointer('shrink')],
  '.': [t('key.copy'), (session) => session.actUnderPointer('copy')],
  ',': [t('key.back'), (session) => session.actUnderPointer('back')],
  f: [t('key.between'), (session) => session.actUnderPointer('between')],
  c: [t('key.clean'), (session) => session.take(CLEANING.includes(session.tool) ? VIEW : 'remove')],
  a: [t('key.split'), (session) => session.take(session.tool === SPLIT ? VIEW : SPLIT)],
  w: [t('key.window'), (session) => session.take(VIEW)],
  v: [t('key.earlier'), () => press('#vhi-beside')],
  m: [t('key.measure'), () => press('#vhi-measure')],
  'Ctrl+Enter': [t('key.submit'), (session) => ready(session) && submitFrom(session)],
  N: [t('key.next_case'), (session) => ready(session) && next(session.reading)],
  '?': [t('key.help'), () => showKeys()],
};

/** Keys whose names are other words in other languages. */
const NAMES = { 'Ctrl+Enter': t('key.submit.name') };

/** Those of the page's other parts, as name and what they do. */
const ELSEWHERE = [
  [t('key.undo.name'), t('key.undo')],
  [t('key.redo.name'), t('key.redo')],
  [t('key.slice.name'), t('key.slice')],
  ['+, -', t('key.zoom')],
  [t('key.reset.name'), t('key.reset')],
  ['Tab', t('key.tab')],
];

const press = (selector) => document.querySelector(`${selector}:enabled`)?.click();

/** The keyboard leaves a field that was being filled in: the next key is none of its text. */
function submitFrom(session) {
  document.getElementById('vhi-submit')?.focus();
  submit(session.reading, session.keeping.keeper);
}

const ready = (session) => Boolean(session.reading && session.reader && !session.reading.busy && !session.keeping.keeper?.isWaiting);

const focusedLine = () => document.activeElement?.closest?.('#vhi-panel tr[data-lesion]') ?? null;

/** The lesion of the line that the keyboard is on, else the one that was gone to last. */
const currentOf = (session) => Number(focusedLine()?.dataset.lesion ?? session.list.current);

function step(session, by, isWanted = () => true) {
  const rows = listed(session);
  const start = rows.findIndex(({ lesion }) => lesion.id === currentOf(session));
  for (let n = 1; n <= rows.length; n += 1) {
    const row = rows[(((start < 0 && by < 0 ? 0 : start) + by * n) % rows.length + rows.length) % rows.length];
    if (!isWanted(row)) continue;
    session.list.selected = new Set();
    session.goTo(row.lesion);
    const line = document.querySelector(`#vhi-panel tr[data-lesion='${row.lesion.id}']`);
    line?.scrollIntoView({ block: 'nearest' });
    // from an image or nowhere too: Tab goes on from the line
    if (!document.activeElement?.matches('#vhi-panel :not(tr)')) line?.focus({ preventScroll: true });
    return;
  }
  session.say(rows.length ? t('list.none_unsure') : t('list.none'));
}

function act(session, what) {
  const { reading, list } = session;
  const rows = listed(session);
  const voxels = rows.filter(({ lesion }) => list.selected.has(lesion.id)).map(({ lesion }) => lesion.voxel);
  const current = rows.find(({ lesion }) => lesion.id === currentOf(session));
  if (voxels.length) decide(reading, { what, scope: 'several', voxels });
  else if (current) clean(reading, what, current.lesion.voxel);
  else session.say(t('list.choose_first'));
}

function nextSegment(session) {
  const { labelmap } = session.reading;
  labelmap.activate(DRAWN[(DRAWN.indexOf(labelmap.active) + 1) % DRAWN.length]);
  session.changed();
}

function brush(session, by) {
  session.setBrush(session.brushMm + by);
  session.changed();
}

export function showKeys() {
  document.getElementById('vhi-keys')?.remove();
  const rows = [...Object.entries(KEYS).map(([key, [text]]) => [NAMES[key] ?? key, text]), ...ELSEWHERE];
  const box = el(
    'dialog',
    { id: 'vhi-keys', ariaLabel: t('keys'), lang: LANGUAGE },
    el('table', {}, rows.map(([key, text]) => el('tr', {}, el('td', {}, el('kbd', {}, key)), el('td', {}, text)))),
    button(t('close'), () => box.close()),
  );
  box.addEventListener('close', () => box.remove());
  // the viewer takes Escape, and with it the closing
  box.addEventListener('keydown', (event) => {
    event.stopPropagation();
    if (event.key === 'Escape') box.close();
  });
  document.body.append(box);
  box.showModal();
}

/** The key without Caps Lock, which turns a letter's case round. */
const keyOf = ({ key = '', shiftKey }) => (key.length > 1 ? key : shiftKey ? key.toUpperCase() : key.toLowerCase());

/** Listen for them while a case is open; a key typed into a field is text, unless Ctrl is held. */
export function watchKeys(session) {
  const isText = ({ target }) => target.matches?.('input[type=text], input[type=password], textarea, select');
  window.addEventListener(
    'keydown',
    (event) => {
      const isControl = event.ctrlKey || event.metaKey;
      if (!session.reading || event.altKey || document.querySelector('dialog[open]') || (isText(event) && !isControl)) return;
      const key = keyOf(event);
      const found = KEYS[isControl ? `Ctrl+${key}` : key];
      if (!found || (event.repeat && key === 'h')) return;
      event.preventDefault();
      event.stopPropagation();
      found[1](session);
    },
    { capture: true },
  );
  window.addEventListener('keyup', ({ key }) => key?.toLowerCase() === 'h' && session.peek(false), { capture: true });
  window.addEventListener('blur', () => session.peek(false));
}
