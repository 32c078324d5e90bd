/** Part of the panel: that a site's chain of post-transforms made the number. */

import { el } from './dom.js';
import { t } from './texts.js';

const PAPER = ['paper', 'paper, with changed settings'];

/** The line beside the number, which does not compare with those of other chains; null for the paper's chain. */
export function otherChain({ provenance }) {
  const name = provenance?.post_transforms?.name;
  if (!name || PAPER.includes(name)) return null;
  return el('div', { class: 'warn', id: 'vhi-chain' }, t('numbers.other_chain', { name }));
}
