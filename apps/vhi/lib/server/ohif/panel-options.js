/** Part of the panel: settings of the method, as the server lists them. Only what differs from the default is sent. */

import { choice, el } from './dom.js';
import { t } from './texts.js';

const OWN = ['show', 'scope', 'proposal']; // the panel has its own places for these

export function optionSection(session) {
  const config = session.models.vhi?.config ?? {};
  const names = Object.keys(config).filter((name) => !OWN.includes(name));
  const set = (name, value) => session.setOption(name, value);
  const { options } = session.reading;
  const rows = names.map((name) =>
    el('label', { class: 'line' }, el('span', { class: 'grow' }, name.replaceAll('_', ' ')), input(name, config[name], set, options[name])),
  );
  return el(
    'section',
    {},
    el(
      'details',
      {},
      el('summary', {}, t('options')),
      rows,
      el('div', { class: 'note' }, t('options.when')),
    ),
  );
}

/** Choice, tick box or number, as it is set now; `set(name, undefined)` for the default. */
export function input(name, given, set, now = undefined) {
  if (Array.isArray(given)) {
    const values = Object.fromEntries(given.map((one) => [String(one), String(one)]));
    const pick = (text) => set(name, text === String(given[0]) ? undefined : given.find((one) => String(one) === text));
    return choice(values, String(now ?? given[0]), pick, { name });
  }
  if (typeof given === 'boolean') {
    return el('input', {
      type: 'checkbox',
      name,
      checked: now ?? given,
      onchange: ({ target }) => set(name, target.checked === given ? undefined : target.checked),
    });
  }
  const number = el('input', { type: 'text', name, size: 6, value: String(now ?? given) });
  number.addEventListener('change', () => {
    const value = number.value.trim() === '' ? Number.NaN : Number(number.value);
    if (Number.isNaN(value)) number.value = String(given);
    set(name, Number.isNaN(value) || value === Number(given) ? undefined : value);
  });
  return number;
}
