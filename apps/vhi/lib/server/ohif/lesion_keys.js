/** The keys of a reading beside those of the images (keys.js): lesions, tools, the coloured overlay, handing in; `?` shows them. */

import { button, el } from './dom.js';
import { clean, decide } from './measuring.js';
import { listed } from './panel-lesions.js';
import { DRAWN } from './segments.js';
import { next, submit } from './submitting.js';
import { LANGUAGE, t } from './texts.js';
import { CLEANING, RADIUS_MM, SPLIT, VIEW } from './tools.js';

/** By key: what it says in the list of keys, and what it does with the desk. */
export const KEYS = {
  n: [t('key.next'), (desk) => step(desk, 1)],
  p: [t('key.previous'), (desk) => step(desk, -1)],
  u: [t('key.unsure'), (desk) => step(desk, 1, ({ lesion }) => lesion.uncertain)],
  x: [t('key.remove'), (desk) => act(desk, 'remove')],
  r: [t('key.restore'), (desk) => act(desk, 'restore')],
  o: [t('key.overlay'), (desk) => desk.showOverlay(!desk.isOverlayShown)],
  l: [t('key.numbers'), (desk) => desk.number(!desk.display.chosen.isNumbered)],
  z: [t('key.zoom_to_region'), (desk) => desk.zoomToRegion()],
  h: [t('key.peek'), (desk) => desk.peek(true)],
  b: [t('key.brush'), (desk) => desk.take('brush')],
  e: [t('key.eraser'), (desk) => desk.take('eraser')],
  q: [t('key.circle'), (desk) => desk.take('circle')],
  k: [t('key.rectangle'), (desk) => desk.take('rectangle')],
  d: [t('key.segment'), (desk) => nextSegment(desk)],
  t: [t('key.threshold'), (desk) => desk.threshold(!desk.isThresholded)],
  '[': [t('key.smaller'), (desk) => brush(desk, -RADIUS_MM.step)],
  ']': [t('key.larger'), (desk) => brush(desk, RADIUS_MM.step)],
  g: [t('key.grow'), (desk) => desk.actUnderPointer('grow')],
  s: [t('key.shrink'), (desk) => desk.actUnderPointer('shrink')],
  '.': [t('key.copy'), (desk) => desk.actUnderPointer('copy')],
  ',': [t('key.back'), (desk) => desk.actUnderPointer('back')],
  f: [t('key.between'), (desk) => desk.actUnderPointer('between')],
  c: [t('key.clean'), (desk) => desk.take(CLEANING.includes(desk.tool) ? VIEW : 'remove')],
  a: [t('key.split'), (desk) => desk.take(desk.tool === SPLIT ? VIEW : SPLIT)],
  w: [t('key.window'), (desk) => desk.take(VIEW)],
  v: [t('key.earlier'), () => press('#vhi-beside')],
  m: [t('key.measure'), () => press('#vhi-measure')],
  'Ctrl+Enter': [t('key.submit'), (desk) => ready(desk) && submitFrom(desk)],
  N: [t('key.next_case'), (desk) => ready(desk) && next(desk.reading)],
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
function submitFrom(desk) {
  document.getElementById('vhi-submit')?.focus();
  submit(desk.reading, desk.keeping.keeper);
}

const ready = (desk) => Boolean(desk.reading && desk.reader && !desk.reading.busy && !desk.keeping.keeper?.isWaiting);

const focusedLine = () => document.activeElement?.closest?.('#vhi-panel tr[data-lesion]') ?? null;

/** The lesion of the line that the keyboard is on, else the one that was gone to last. */
const currentOf = (desk) => Number(focusedLine()?.dataset.lesion ?? desk.list.current);

function step(desk, by, isWanted = () => true) {
  const rows = listed(desk);
  const start = rows.findIndex(({ lesion }) => lesion.id === currentOf(desk));
  for (let n = 1; n <= rows.length; n += 1) {
    const row = rows[(((start < 0 && by < 0 ? 0 : start) + by * n) % rows.length + rows.length) % rows.length];
    if (!isWanted(row)) continue;
    desk.list.selected = new Set();
    desk.goTo(row.lesion);
    const line = document.querySelector(`#vhi-panel tr[data-lesion='${row.lesion.id}']`);
    line?.scrollIntoView({ block: 'nearest' });
    // from an image or nowhere too: Tab goes on from the line
    if (!document.activeElement?.matches('#vhi-panel :not(tr)')) line?.focus({ preventScroll: true });
    return;
  }
  desk.say(rows.length ? t('list.none_unsure') : t('list.none'));
}

function act(desk, what) {
  const { reading, list } = desk;
  const rows = listed(desk);
  const voxels = rows.filter(({ lesion }) => list.selected.has(lesion.id)).map(({ lesion }) => lesion.voxel);
  const current = rows.find(({ lesion }) => lesion.id === currentOf(desk));
  if (voxels.length) decide(reading, { what, scope: 'several', voxels });
  else if (current) clean(reading, what, current.lesion.voxel);
  else desk.say(t('list.choose_first'));
}

function nextSegment(desk) {
  const { labelmap } = desk.reading;
  labelmap.activate(DRAWN[(DRAWN.indexOf(labelmap.active) + 1) % DRAWN.length]);
  desk.changed();
}

function brush(desk, by) {
  desk.setBrush(desk.brushMm + by);
  desk.changed();
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
export function watchKeys(desk) {
  const isText = ({ target }) => target.matches?.('input[type=text], input[type=password], textarea, select');
  window.addEventListener(
    'keydown',
    (event) => {
      const isControl = event.ctrlKey || event.metaKey;
      if (!desk.reading || event.altKey || document.querySelector('dialog[open]') || (isText(event) && !isControl)) return;
      const key = keyOf(event);
      const found = KEYS[isControl ? `Ctrl+${key}` : key];
      if (!found || (event.repeat && key === 'h')) return;
      event.preventDefault();
      event.stopPropagation();
      found[1](desk);
    },
    { capture: true },
  );
  window.addEventListener('keyup', ({ key }) => key?.toLowerCase() === 'h' && desk.peek(false), { capture: true });
  window.addEventListener('blur', () => desk.peek(false));
}
