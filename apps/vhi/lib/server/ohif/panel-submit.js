/** Parts of the panel: who reads for the how-manieth time, rating and submission, what was handed in, the next case. */

import { address } from './addresses.js';
import { button, choice, el, mm3 } from './dom.js';
import { showKeys } from './lesion_keys.js';
import { next, submit } from './submitting.js';
import { t } from './texts.js';

const RATINGS = { '': t('rating.none'), satisfactory: t('rating.satisfactory'), corrected: t('rating.corrected'), failed: t('rating.failed') };

export function submitSection(session) {
  const { reading, keeping } = session;
  if (!reading) return null;
  const isWaiting = Boolean(reading.busy) || !session.reader || Boolean(keeping.keeper?.isWaiting);
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
      el('label', { class: 'line tight grow' }, t('rating'), choice(RATINGS, reading.rating, rate, { id: 'vhi-rating', title: t('rating.title') })),
      button('↶', () => reading.undo(), { id: 'vhi-undo', title: t('undo.title'), ariaLabel: t('undo'), disabled: !reading.history.canUndo }),
      button('↷', () => reading.undo(true), { id: 'vhi-redo', title: t('redo.title'), ariaLabel: t('redo'), disabled: !reading.history.canRedo }),
    ),
    keptLine(session),
    el(
      'div',
      { class: 'line tight' },
      button(reading.busy === 'submitting' ? t('submit.busy') : t('submit'), send, {
        class: 'main grow',
        id: 'vhi-submit',
        disabled: isWaiting,
        title: session.reader ? '' : t('submit.name_first'),
      }),
      button(t('next'), () => next(reading), { id: 'vhi-next', disabled: isWaiting }),
      button(t('skip'), () => next(reading, true), {
        id: 'vhi-skip',
        disabled: isWaiting,
        title: t('skip.title'),
      }),
    ),
  );
}

/** Whether what is not handed in yet is kept on the server. */
function keptLine({ reading, keeping, reader }) {
  if (!reading.isUnsent) return null;
  const { keeper } = keeping;
  if (!reader || !keeper) return el('div', { class: 'warn', id: 'vhi-kept' }, t('draft.no_name'));
  if (keeper.failure) return el('div', { class: 'error', id: 'vhi-kept', title: keeper.failure }, t('draft.not_kept', { why: keeper.failure }));
  const text = keeper.isKept ? t('draft.kept') : t('draft.keeping');
  return el('div', { class: 'note', id: 'vhi-kept', data: { kept: String(keeper.isKept) } }, text);
}

/** The newest submission, and whether it is what is on screen. */
function submitted(made, isThis) {
  const link = made.report ? el('a', { href: made.report, target: '_blank', rel: 'noopener' }, t('report')) : null;
  const when = made.created ? ` ${t('submission.of', { time: timeOf(made.created) })}` : '';
  const id = `${made.submission_id ?? made.submission}${when}`;
  const { sensitive, conservative } = made.numbers?.vhi_mm3 ?? made.result?.vhi_mm3 ?? {};
  const kept = sensitive === undefined ? '' : `, ${t('submission.volumes', { sensitive: mm3(sensitive), conservative: mm3(conservative) })}`;
  const text = isThis ? t('submission.kept', { submission: `${id}${kept && `${kept},`}` }) : t('submission.amending', { submission: `${id}${kept}` });
  return el(
    'div',
    { id: isThis ? 'vhi-submitted' : 'vhi-amending' },
    el('div', { class: isThis ? 'note good' : 'note' }, text, ' ', link),
    made.fate ? el('div', { class: 'note', id: 'vhi-fate' }, made.fate.reason) : null,
    isThis && (made.messages ?? []).length
      ? el(
          'details',
          {},
          el('summary', {}, t('submission.remarks', { count: made.messages.length })),
          made.messages.map((one) => el('div', { class: 'note' }, one)),
        )
      : null,
  );
}

export const timeOf = (text) => new Date(text).toLocaleString([], { dateStyle: 'medium', timeStyle: 'short' });

/** Another number would be kept than the one on screen, or a region that seems to lie wrong: the reader sees it first. */
function question(reading, keeper) {
  const { text, would_be: wouldBe, picture, sent } = reading.question;
  const [words, confirmed] = wouldBe
    ? [t('question.new_number'), { confirmed: wouldBe.result_id }]
    : [t('question.region_right'), { doubts: 'confirmed' }];
  const back = () => {
    reading.question = null;
    reading.changed();
  };
  return el(
    'div',
    { id: 'vhi-question', role: 'alert', tabIndex: -1 },
    el('div', { class: 'warn' }, text),
    picture ? el('img', { src: picture, alt: t('question.picture'), id: 'vhi-doubt' }) : null,
    el(
      'div',
      { class: 'line' },
      button(words, () => submit(reading, keeper, { ...sent, ...confirmed }), { id: 'vhi-confirm' }),
      button(t('question.back'), back),
    ),
  );
}

export function readerSection(session) {
  const reading = el('span', { id: 'vhi-readings' });
  const where = el(
    'div',
    { class: 'line tight note' },
    el('b', { id: 'vhi-patient', class: 'grow' }),
    el('a', { href: address('/vhi/worklist') }, t('worklist')),
    button(t('keys'), showKeys, { title: '?' }),
  );
  if (session.serverFacts.reader) return el('section', {}, where, el('div', { class: 'line note' }, t('reader.is', { reader: session.serverFacts.reader }), reading));
  const name = el('input', {
    type: 'text',
    value: session.reader ?? '',
    placeholder: t('reader.name'),
    maxLength: 64,
    id: 'vhi-reader-name',
    oninput: (event) => (session.reader = event.target.value.trim()),
    onchange: () => session.keeping.readerChosen(),
  });
  return el('section', {}, where, el('div', { class: 'line tight' }, el('label', { class: 'line tight grow' }, t('reader'), name), reading));
}

/** Whose case this is, and which reading of it, where the first one is finished. */
export function showReadings(panel, { reading, keeping, patient }) {
  panel.querySelector('#vhi-patient').textContent = patient;
  const place = panel.querySelector('#vhi-readings');
  const last = Math.max(keeping.finished + 1, reading?.number ?? 1);
  const isOffered = reading && keeping.keeper && last > 1;
  const names = Object.fromEntries(Array.from({ length: last }, (_, n) => [n + 1, t('reading.number', { number: n + 1 })]));
  const pick = (value) => keeping.read(Number(value));
  const shown = isOffered ? [choice(names, String(reading.number), pick, { id: 'vhi-reading', ariaLabel: t('reading.which'), disabled: Boolean(reading.busy) })] : [];
  place.replaceChildren(...shown);
}
