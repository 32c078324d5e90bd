/** Parts of the panel: who reads for the how-manieth time, rating and submission, what was handed in, the next case. */

import { address } from './addresses.js';
import { button, choice, count, el, mm3 } from './dom.js';
import { showKeys } from './lesion_keys.js';
import { next, submit } from './submitting.js';

const RATINGS = { '': 'not rated', satisfactory: 'satisfactory', corrected: 'corrected', failed: 'failed' };

export function submitSection(desk) {
  const { reading, keeping } = desk;
  if (!reading) return null;
  const isWaiting = Boolean(reading.busy) || !desk.reader || Boolean(keeping.keeper?.isWaiting);
  const send = () => submit(reading, keeping.keeper);
  const rate = (value) => {
    reading.rating = value;
    reading.touched();
  };
  return el(
    'section',
    { class: 'foot' },
    el(
      'div',
      { class: 'said' },
      reading.submitted ? submitted(reading.submitted, reading.isSubmitted && !reading.isUnsent) : null,
      reading.question ? question(reading, keeping.keeper) : null,
    ),
    el(
      'div',
      { class: 'line tight' },
      el('label', { class: 'line tight grow' }, 'Region', choice(RATINGS, reading.rating, rate, { id: 'vhi-rating', title: 'How good the automatic disease region was' })),
      button('↶', () => reading.undo(), { id: 'vhi-undo', title: 'Undo (Ctrl+Z)', ariaLabel: 'Undo', disabled: !reading.history.canUndo }),
      button('↷', () => reading.undo(true), { id: 'vhi-redo', title: 'Redo (Ctrl+Shift+Z)', ariaLabel: 'Redo', disabled: !reading.history.canRedo }),
    ),
    keptLine(desk),
    el(
      'div',
      { class: 'line tight' },
      button(reading.busy === 'Submitting' ? 'Submitting ...' : 'Submit label', send, {
        class: 'main grow',
        id: 'vhi-submit',
        disabled: isWaiting,
        title: desk.reader ? '' : 'Enter your name first',
      }),
      button('Next case', () => next(reading), { id: 'vhi-next', disabled: isWaiting }),
      button('Skip', () => next(reading, true), {
        id: 'vhi-skip',
        disabled: isWaiting,
        title: 'Another case; this one comes back to you only when you ask for skipped cases',
      }),
    ),
  );
}

/** Whether what is not handed in yet is kept on the server. */
function keptLine({ reading, keeping, reader }) {
  if (!reading.isUnsent) return null;
  const { keeper } = keeping;
  if (!reader || !keeper) return el('div', { class: 'warn', id: 'vhi-kept' }, 'Enter your name: nothing is kept yet');
  if (keeper.failure) return el('div', { class: 'error', id: 'vhi-kept', title: keeper.failure }, 'Not kept: ', keeper.failure);
  const text = keeper.isKept ? 'Draft kept' : 'Keeping ...';
  return el('div', { class: 'told', id: 'vhi-kept', data: { kept: String(keeper.isKept) } }, text);
}

/** The newest submission, and whether it is what is on screen. */
function submitted(made, isThis) {
  const link = made.report ? el('a', { href: made.report, target: '_blank', rel: 'noopener' }, 'Report') : null;
  const when = made.created ? ` of ${timeOf(made.created)}` : '';
  const id = made.submission_id ?? made.submission;
  const { sensitive, conservative } = made.numbers?.vhi_mm3 ?? made.result?.vhi_mm3 ?? {};
  const kept = sensitive === undefined ? '' : `, ${mm3(sensitive)} and ${mm3(conservative)},`;
  const text = isThis ? `Submission ${id}${when}${kept} is kept. ` : `You are amending submission ${id}${when}${kept.slice(0, -1)}. `;
  return el(
    'div',
    { id: isThis ? 'vhi-submitted' : 'vhi-amending' },
    el('div', { class: isThis ? 'told good' : 'told' }, text, link),
    made.fate ? el('div', { class: 'told', id: 'vhi-fate' }, made.fate.reason) : null,
    isThis && (made.messages ?? []).length
      ? el(
          'details',
          {},
          el('summary', {}, count(made.messages.length, 'remark')),
          made.messages.map((one) => el('div', { class: 'told' }, one)),
        )
      : null,
  );
}

export const timeOf = (text) => new Date(text).toLocaleString([], { dateStyle: 'medium', timeStyle: 'short' });

/** Another number would be kept than the one on screen, or a region that seems to lie wrong: the reader sees it first. */
function question(reading, keeper) {
  const { text, would_be: wouldBe, picture, sent } = reading.question;
  const [words, confirmed] = wouldBe
    ? ['Submit the new number', { confirmed: wouldBe.result_id }]
    : ['It is right: submit it', { doubts: 'confirmed' }];
  const back = () => {
    reading.question = null;
    reading.changed();
  };
  return el(
    'div',
    { id: 'vhi-question', role: 'alert', tabIndex: -1 },
    el('div', { class: 'warn' }, text),
    picture ? el('img', { src: picture, alt: 'Yellow: your region; cyan: that of the networks', id: 'vhi-doubt' }) : null,
    el(
      'div',
      { class: 'line' },
      button(words, () => submit(reading, keeper, { ...sent, ...confirmed }), { id: 'vhi-confirm' }),
      button('Back', back),
    ),
  );
}

export function readerSection(desk) {
  const reading = el('span', { id: 'vhi-readings' });
  const where = el(
    'div',
    { class: 'line tight told' },
    el('b', { id: 'vhi-patient', class: 'grow' }),
    el('a', { href: address('/vhi/worklist') }, 'Worklist'),
    button('Keys', showKeys, { title: '?' }),
  );
  if (desk.told.reader) return el('section', {}, where, el('div', { class: 'line told' }, `Reader: ${desk.told.reader}`, reading));
  const name = el('input', {
    type: 'text',
    value: desk.reader ?? '',
    placeholder: 'Your name',
    maxLength: 64,
    id: 'vhi-reader-name',
    oninput: (event) => (desk.reader = event.target.value.trim()),
    onchange: () => desk.keeping.readerChosen(),
  });
  return el('section', {}, where, el('div', { class: 'line tight' }, el('label', { class: 'line tight grow' }, 'Reader', name), reading));
}

/** Whose case this is, and which reading of it, where the first one is finished. */
export function showReadings(panel, { reading, keeping, patient }) {
  panel.querySelector('#vhi-patient').textContent = patient;
  const place = panel.querySelector('#vhi-readings');
  const last = Math.max(keeping.finished + 1, reading?.number ?? 1);
  const isOffered = reading && keeping.keeper && last > 1;
  const names = Object.fromEntries(Array.from({ length: last }, (_, n) => [n + 1, `reading ${n + 1}`]));
  const pick = (value) => keeping.read(Number(value));
  const shown = isOffered ? [choice(names, String(reading.number), pick, { id: 'vhi-reading', ariaLabel: 'Which reading', disabled: Boolean(reading.busy) })] : [];
  place.replaceChildren(...shown);
}
