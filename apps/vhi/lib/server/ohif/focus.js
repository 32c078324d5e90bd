/** Where the keyboard is stays where it is while what is shown is made anew. */

export class Focus {
  #root;
  #isDrawing = false;
  #place = null; // of what had the focus last; null where the reader went elsewhere

  /** @param {HTMLElement} root whatever is made anew lies in it */
  constructor(root) {
    this.#root = root;
    root.addEventListener('focusin', ({ target }) => (this.#place = placeOf(root, target)));
    // of what is drawn anew or disabled, and while another window is in front, the reader did not go away
    root.addEventListener('focusout', ({ target }) => {
      if (!this.#isDrawing && !target.disabled && document.hasFocus()) this.#place = null;
    });
  }

  /** Make anew what is shown. A button that is disabled meanwhile has the focus again once it is not. */
  keep(draw) {
    const place = this.#place;
    this.#isDrawing = true;
    draw();
    this.#isDrawing = false;
    const { activeElement } = document;
    const isLost = !activeElement || activeElement === document.body;
    if (isLost && place) found(this.#root, place)?.focus({ preventScroll: true });
  }
}

const isNamed = (node) => node.id || Object.keys(node.dataset).length > 0;

function selectorOf({ id, dataset }) {
  if (id) return `#${CSS.escape(id)}`;
  const hyphened = (name) => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  return Object.entries(dataset).map(([name, value]) => `[data-${hyphened(name)}="${CSS.escape(value)}"]`).join('');
}

/** The nearest thing with a name, what lies in it, and which row of a table it is. */
function placeOf(root, node) {
  let holder = node;
  while (holder !== root && !isNamed(holder)) holder = holder.parentElement;
  const row = node.closest('tbody tr');
  return {
    selector: holder === root ? null : selectorOf(holder),
    tag: node === holder ? null : node.localName,
    n: [...holder.querySelectorAll(node.localName)].indexOf(node),
    row: row ? [...row.parentElement.children].indexOf(row) : -1,
  };
}

/** What is at that place now; where it is gone or disabled its row, or the row that has taken its place. */
function found(root, { selector, tag, n, row }) {
  const holder = selector ? root.querySelector(selector) : root;
  const node = holder && tag ? holder.querySelectorAll(tag)[n] : holder;
  if (node && !node.disabled) return node;
  if (row < 0) return null;
  const rows = [...root.querySelectorAll('tbody tr')];
  const instead = node?.closest('tr') ?? rows[Math.min(row, rows.length - 1)];
  return instead?.tabIndex >= 0 ? instead : instead?.querySelector('a, button');
}
