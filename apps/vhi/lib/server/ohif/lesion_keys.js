/** The keys of a reading beside those of the images (keys.js): lesions, tools, the coloured overlay, handing in; `?` shows them. */

import { button, el } from './dom.js';
import { clean, decide } from './measuring.js';
import { listed } from './panel-lesions.js';
import { DRAWN } from './segments.js';
import { next, submit } from './submitting.js';
import { CLEANING, RADIUS_MM, SPLIT, VIEW } from './tools.js';

/** By key: what it says in the list of keys, and what it does with the desk. */
export const KEYS = {
  n: ['next lesion of the list', (desk) => step(desk, 1)],
  p: ['previous lesion of the list', (desk) => step(desk, -1)],
  u: ['next unsure lesion', (desk) => step(desk, 1, ({ lesion }) => lesion.uncertain)],
  x: ['remove the lesion, or those selected', (desk) => act(desk, 'remove')],
  r: ['restore the lesion, or those selected', (desk) => act(desk, 'restore')],
  o: ['overlay on or off', (desk) => desk.showOverlay(!desk.isOverlayShown)],
  l: ['numbers of lesions on or off', (desk) => desk.number(!desk.display.chosen.isNumbered)],
  z: ['both images enlarged to the disease region; the space bar puts them back', (desk) => desk.zoomToRegion()],
  h: ['hold: images without the overlay', (desk) => desk.peek(true)],
  b: ['brush', (desk) => desk.take('brush')],
  e: ['eraser', (desk) => desk.take('eraser')],
  q: ['circle', (desk) => desk.take('circle')],
  k: ['rectangle', (desk) => desk.take('rectangle')],
  d: ['draw the next segment: inflammation, disease region, normal bone', (desk) => nextSegment(desk)],
  t: ['paint inflammation only at or above the threshold, on or off', (desk) => desk.threshold(!desk.isThresholded)],
  '[': ['smaller brush', (desk) => brush(desk, -RADIUS_MM.step)],
  ']': ['larger brush', (desk) => brush(desk, RADIUS_MM.step)],
  g: ['grow what is drawn under the pointer, by a voxel or the mm chosen', (desk) => desk.actUnderPointer('grow')],
  s: ['shrink it', (desk) => desk.actUnderPointer('shrink')],
  '.': ['copy it to the next slice', (desk) => desk.actUnderPointer('copy')],
  ',': ['copy it to the previous slice', (desk) => desk.actUnderPointer('back')],
  f: ['fill the slices between it and the next one drawn at its place', (desk) => desk.actUnderPointer('between')],
  c: ['cleaning by clicks on or off', (desk) => desk.take(CLEANING.includes(desk.tool) ? VIEW : 'remove')],
  a: ['split a lesion on or off', (desk) => desk.take(desk.tool === SPLIT ? VIEW : SPLIT)],
  w: ['no tool: the pointer sets the window', (desk) => desk.take(VIEW)],
  v: ['earlier visit beside, or T1W again', () => press('#vhi-beside')],
  m: ['measure VHI', () => press('#vhi-measure')],
  'Ctrl+Enter': ['submit', (desk) => ready(desk) && submitFrom(desk)],
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
  desk.say(rows.length ? 'No lesion of the list is unsure: choose suggestions under Cleaning, and measure.' : 'No lesion is listed.');
}

function act(desk, what) {
  const { reading, list } = desk;
  const rows = listed(desk);
  const voxels = rows.filter(({ lesion }) => list.selected.has(lesion.id)).map(({ lesion }) => lesion.voxel);
  const current = rows.find(({ lesion }) => lesion.id === currentOf(desk));
  if (voxels.length) decide(reading, { what, scope: 'several', voxels });
  else if (current) clean(reading, what, current.lesion.voxel);
  else desk.say('Choose a lesion first: n goes to the next one.');
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
