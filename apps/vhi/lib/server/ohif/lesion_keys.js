/** The keys of a reading beside those of the images (keys.js): lesions, tools, the coloured overlay, handing in; `?` shows them. */

import { button, el } from './dom.js';
import { clean, decide } from './measuring.js';
import { listed } from './panel-lesions.js';
import { next, submit } from './submitting.js';
import { CLEANING, SPLIT, VIEW } from './tools.js';

const BRUSH_STEP_MM = 0.5;
const BRUSH_MM = [1, 20];

/** By key: what it says in the list of keys, and what it does with the desk. */
export const KEYS = {
  n: ['next lesion of the list', (desk) => step(desk, 1)],
  p: ['previous lesion of the list', (desk) => step(desk, -1)],
  u: ['next unsure lesion', (desk) => step(desk, 1, ({ lesion }) => lesion.uncertain)],
  x: ['remove the lesion, or those selected', (desk) => act(desk, 'remove')],
  r: ['restore the lesion, or those selected', (desk) => act(desk, 'restore')],
  o: ['overlay on or off', (desk) => desk.showOverlay(!desk.isOverlayShown)],
  h: ['hold: images without the overlay', (desk) => desk.peek(true)],
  '[': ['smaller brush', (desk) => brush(desk, -BRUSH_STEP_MM)],
  ']': ['larger brush', (desk) => brush(desk, BRUSH_STEP_MM)],
  c: ['cleaning by clicks on or off', (desk) => desk.take(CLEANING.includes(desk.tool) ? VIEW : 'remove')],
  s: ['split a lesion on or off', (desk) => desk.take(desk.tool === SPLIT ? VIEW : SPLIT)],
  w: ['no tool: the pointer sets the window', (desk) => desk.take(VIEW)],
  b: ['earlier visit beside, or T1W again', () => press('#vhi-beside')],
  m: ['measure VHI', () => press('#vhi-measure')],
  'Ctrl+Enter': ['submit', (desk) => ready(desk) && submit(desk.reading, desk.keeping.keeper)],
  N: ['next case', (desk) => ready(desk) && next(desk.reading)],
  '?': ['these keys', () => showKeys()],
};

const ELSEWHERE = {
  'Ctrl+Z': 'undo',
  'Ctrl+Shift+Z, Ctrl+Y': 'redo',
  'up, down': 'one slice; page up and page down five, home and end the first and the last',
  '+, -': 'zoom',
  space: 'slice, zoom, place and window as they were',
  Tab: 'to the next button or line; Enter goes to the lesion of a line',
};

const press = (selector) => document.querySelector(`${selector}:enabled`)?.click();
const ready = (desk) => Boolean(desk.reading && desk.reader && !desk.reading.busy && !desk.keeping.keeper?.isWaiting);

function step(desk, by, isWanted = () => true) {
  const rows = listed(desk);
  const start = rows.findIndex(({ lesion }) => lesion.id === desk.list.current);
  for (let n = 1; n <= rows.length; n += 1) {
    const row = rows[(((start < 0 && by < 0 ? 0 : start) + by * n) % rows.length + rows.length) % rows.length];
    if (!isWanted(row)) continue;
    desk.list.selected = new Set();
    desk.goTo(row.lesion);
    document.querySelector(`#vhi-panel tr[data-lesion='${row.lesion.id}']`)?.scrollIntoView({ block: 'nearest' });
    return;
  }
  desk.say(rows.length ? 'No lesion of the list is unsure: choose suggestions under Cleaning, and measure.' : 'No lesion is listed.');
}

function act(desk, what) {
  const { reading, list } = desk;
  const rows = listed(desk);
  const voxels = rows.filter(({ lesion }) => list.selected.has(lesion.id)).map(({ lesion }) => lesion.voxel);
  const current = rows.find(({ lesion }) => lesion.id === list.current);
  if (voxels.length) decide(reading, { what, scope: 'several', voxels });
  else if (current) clean(reading, what, current.lesion.voxel);
  else desk.say('Choose a lesion first: n goes to the next one.');
}

function brush(desk, by) {
  desk.setBrush(Math.min(BRUSH_MM[1], Math.max(BRUSH_MM[0], desk.brushMm + by)));
  desk.changed();
}

function showKeys() {
  document.getElementById('vhi-keys')?.remove();
  const rows = [...Object.entries(KEYS).map(([key, [text]]) => [key, text]), ...Object.entries(ELSEWHERE)];
  const box = el(
    'dialog',
    { id: 'vhi-keys', ariaLabel: 'Keys' },
    el('table', {}, rows.map(([key, text]) => el('tr', {}, el('td', {}, el('kbd', {}, key)), el('td', {}, text)))),
    button('Close', () => box.close()),
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

/** Listen for them while a case is open; a key typed into a field is text. */
export function watchKeys(desk) {
  const isText = ({ target }) => target.matches?.('input[type=text], input[type=password], textarea, select') || document.querySelector('dialog[open]');
  window.addEventListener(
    'keydown',
    (event) => {
      if (!desk.reading || isText(event) || event.altKey) return;
      const isControl = event.ctrlKey || event.metaKey;
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
