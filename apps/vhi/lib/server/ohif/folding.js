/** Which parts of the panel are folded: their headings open and close them, and the browser remembers. */

import { button } from './dom.js';

const STORED = 'vhi_folded';
// in a low window these make room for the list of lesions, until the reader opens them
const LOW_PX = 850;
const FOLDED_WHERE_LOW = ['Reliability', 'Display'];

export class Folds {
  #changed;
  #names;

  /** @param {() => void} changed a part was folded or opened */
  constructor(changed) {
    this.#changed = changed;
    const stored = JSON.parse(window.localStorage.getItem(STORED) ?? 'null');
    this.#names = new Set(stored ?? (window.innerHeight < LOW_PX ? FOLDED_WHERE_LOW : []));
  }

  /** A section with a heading, which becomes the button that folds the rest. */
  fold(section) {
    const heading = section?.querySelector(':scope > h3');
    if (!heading) return section;
    const { name } = section.dataset; // the same in every language
    const isFolded = this.#names.has(name);
    const press = button(`${isFolded ? '▸' : '▾'} ${heading.textContent}`, () => this.#toggle(name), { ariaExpanded: String(!isFolded), data: { fold: name } });
    heading.replaceChildren(press);
    section.classList.toggle('folded', isFolded);
    for (const child of section.children) if (child !== heading) child.hidden = isFolded;
    return section;
  }

  #toggle(name) {
    if (!this.#names.delete(name)) this.#names.add(name);
    window.localStorage.setItem(STORED, JSON.stringify([...this.#names]));
    this.#changed();
  }
}
