/** Small helpers for plain DOM. */

/** An element with properties, `on...` handlers and children; null children are left out. */
export function el(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else if (name === 'class') node.className = value;
    else if (name === 'data') Object.assign(node.dataset, value);
    else node[name] = value;
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return node;
}

export const button = (text, onclick, props = {}) => el('button', { type: 'button', onclick, ...props }, text);

/** A choice of a few words. */
export function choice(values, chosen, onchange, props = {}) {
  const options = Object.entries(values).map(([value, text]) => el('option', { value, selected: value === chosen }, text));
  return el('select', { ...props, onchange: (event) => onchange(event.target.value) }, options);
}

export const mm3 = (value) => (value === null || value === undefined ? '–' : `${Math.round(value).toLocaleString('en')} mm³`);
