/** The panel of a review: which two readings, where they differ, and what is recorded. Nothing in it changes a reading. */

import { address } from './addresses.js';
import { button, choice, el, mm3 } from './dom.js';
import { SIDES } from './review.js';
import { addStyle } from './style.js';
import { LANGUAGE, t } from './texts.js';

const HOW = [
  { text: t('review.filled'), label: t('review.filled.label') },
  { text: t('review.outlined'), label: t('review.outlined.label') },
];

/** Fill a node of the viewer with the panel, and keep it as the review is. */
export function mountReview(node, session) {
  if (node.dataset.vhi) return;
  node.dataset.vhi = 'review';
  addStyle();
  const panel = el('div', { class: 'vhi', id: 'vhi-review', lang: LANGUAGE });
  node.style.height = '100%';
  node.append(panel);
  // what is typed stays while the rest changes
  const note = el('textarea', { id: 'vhi-note', rows: 3, ariaLabel: t('review.note') });
  const said = { reason: '', ofCase: true };
  const draw = () => {
    if (!node.isConnected) return session.removeEventListener('change', draw);
    panel.replaceChildren(...sections(session, said, note, draw));
  };
  session.addEventListener('change', draw);
  draw();
}

function sections(session, said, note, draw) {
  const { review } = session;
  const why = review ? review.why : session.why;
  const head = el('section', { class: 'bare' }, el('h3', {}, t('review')), el('a', { href: address('/vhi/worklist') }, t('worklist')));
  const warning = why ? el('div', { class: 'warn', role: 'alert' }, why) : null;
  if (!review?.facts) return [head, warning].filter(Boolean);
  const rest = el('div', { class: 'rest' }, ...[review.found && differences(review), review.found && recording(review, said, note, draw), recorded(review)].filter(Boolean));
  return [head, warning, readings(review), rest].filter(Boolean);
}

function readings(review) {
  const names = Object.fromEntries(
    review.facts.readings.map((one) => [one.submission, t('review.reading', { reader: one.reader, number: one.reading, volume: mm3(one.vhi_mm3) })]),
  );
  const rows = review.chosen.map((chosen, n) => {
    const [red, green, blue] = SIDES[n].color;
    const colour = `rgb(${red}, ${green}, ${blue})`;
    const swatch = el('span', { class: 'swatch' });
    swatch.style.cssText = n ? `border: 2px solid ${colour}; box-sizing: border-box` : `background: ${colour}`;
    const change = (value) => review.choose(review.chosen.map((one, at) => (at === n ? value : one)));
    return el('div', { class: 'line tight' }, swatch, HOW[n].text, choice(names, chosen, change, { id: `vhi-side-${n + 1}`, ariaLabel: HOW[n].label }));
  });
  return el('section', {}, ...rows);
}

function differences(review) {
  const { slices, differing_mm3: total, both_mm3: both } = review.found;
  const row = (one) =>
    el(
      'tr',
      { data: { slice: one.slice }, class: one.slice === review.slice ? 'current' : '' },
      el('td', {}, button(t('review.go_to_slice', { number: review.numberOf(one.slice) }), () => review.goTo(one))),
      ...[one.differing_mm3, one.only_first_mm3, one.only_second_mm3].map((value) => el('td', { class: 'number' }, Math.round(value).toLocaleString('en'))),
    );
  const heads = ['mm³', t('review.differing'), t('review.filled_only'), t('review.outlined_only')].map((text, n) => el('th', { class: n ? 'number' : '', scope: 'col' }, text));
  return el(
    'section',
    {},
    el('h3', {}, t('review.where')),
    el('div', { class: 'note', id: 'vhi-differing' }, t('review.differ', { differing: mm3(total), both: mm3(both) })),
    slices.length ? el('div', { class: 'lesions' }, el('table', {}, el('thead', {}, el('tr', {}, heads)), el('tbody', {}, slices.map(row)))) : null,
  );
}

function recording(review, said, note, draw) {
  const { classes, longest_note: longest } = review.facts;
  if (!review.found.slices.length) return null;
  note.maxLength = longest;
  const of = (isOfCase, text) =>
    el(
      'label',
      {},
      el('input', { type: 'radio', name: 'vhi-of', value: isOfCase ? 'case' : 'slice', checked: said.ofCase === isOfCase, disabled: !isOfCase && review.slice === null, onchange: () => (said.ofCase = isOfCase) }),
      text,
    );
  if (review.slice === null) said.ofCase = true;
  const words = { '': t('review.class'), ...Object.fromEntries(classes.map(({ name, meaning }) => [name, `${name}: ${meaning}`])) };
  const chosen = (value) => {
    said.reason = value;
    draw();
  };
  const keep = async () => {
    if (!(await review.record(said.ofCase, said.reason, note.value))) return;
    note.value = '';
    said.reason = '';
    draw();
  };
  const where = review.slice === null ? t('review.a_slice') : t('review.slice', { number: review.numberOf(review.slice) });
  return el(
    'section',
    {},
    el('h3', {}, t('review.why')),
    el('div', { class: 'line' }, of(true, t('review.case')), of(false, where)),
    el('div', { class: 'line tight' }, choice(words, said.reason, chosen, { id: 'vhi-class', ariaLabel: t('review.class.label') })),
    note,
    button(t('review.record'), keep, { id: 'vhi-record', disabled: !said.reason }),
    el('div', { class: 'note good', role: 'status' }, review.kept),
  );
}

function recorded(review) {
  const { reviews } = review.facts;
  if (!reviews.length) return null;
  const line = (one) => {
    const reason = one.note ? `${one.reason} (${one.note})` : one.reason;
    const { by, first, second } = one;
    return el('li', {}, t('review.recorded.line', { what: review.whatOf(one), reason, by, date: one.created.slice(0, 10), first, second }));
  };
  return el('section', {}, el('h3', {}, t('review.recorded')), el('ul', { id: 'vhi-recorded' }, reviews.map(line)));
}
