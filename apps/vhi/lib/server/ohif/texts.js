/** The words that a reader sees, by keys: no other module holds any. `language.js` is made by the server of the tables in `texts/`. */

import { LANGUAGE, TEXTS } from './language.js';

export { LANGUAGE };

const rules = new Intl.PluralRules(LANGUAGE);

/**
 * A text with values in place of `{names}`; where a count changes the words, the form that `values.count` asks for.
 *
 * @param {string} key
 * @param {Object<string, string|number>} values
 */
export function t(key, values = {}) {
  const found = TEXTS[key];
  const text = typeof found === 'string' ? found : (found[rules.select(values.count)] ?? found.other);
  return text.replaceAll(/\{(\w+)\}/g, (_, name) => (name === 'count' ? values.count.toLocaleString('en') : String(values[name])));
}

/** What the server calls something (a side, a part), in words; what no table knows as it is called. */
export const named = (group, name) => TEXTS[`${group}.${name}`] ?? name;
