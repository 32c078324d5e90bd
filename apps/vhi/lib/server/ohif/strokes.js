/** A lasso, a line or a cut that is drawn over an image for a gesture, a click being the shortest cut; while one is in hand the viewer's own tools get no press there. */

const SVG = 'http://www.w3.org/2000/svg';
const LEAST_PX = 4;

/**
 * @param {() => {id: string, viewport: object}[]} viewports
 * @param {() => 'lasso'|'line'|'cut'|null} inHand
 * @param {(viewport: object, path: number[][]) => void} drawn with the path on the viewport's canvas
 */
export function watchStrokes(viewports, inHand, drawn) {
  let stroke = null;
  // a press that is taken brings no mouse events either, which the viewer's tools listen for
  const take = (event) => {
    event.stopImmediatePropagation();
    event.preventDefault();
  };
  const placed = ({ viewport }, { clientX, clientY }) => {
    const { left, top } = viewport.element.getBoundingClientRect();
    return [clientX - left, clientY - top];
  };
  const listen = (kind, work) => window.addEventListener(kind, work, { capture: true });
  listen('pointerdown', (event) => {
    const kind = event.button === 0 ? inHand() : null;
    const view = kind && viewports().find(({ viewport }) => isOver(viewport.element, event));
    if (!view) return;
    take(event);
    stroke = { ...view, kind, path: [placed(view, event)], mark: marked(view.viewport.element, kind) };
  });
  listen('pointermove', (event) => {
    if (!stroke) return;
    take(event);
    const point = placed(stroke, event);
    stroke.path = stroke.kind === 'line' ? [stroke.path[0], point] : [...stroke.path, point];
    stroke.mark.firstChild.setAttribute('points', stroke.path.map((one) => one.join()).join(' '));
  });
  const end = (event) => {
    const { viewport, kind, path, mark } = stroke;
    stroke = null;
    take(event);
    mark.remove();
    const [first] = path;
    if (kind === 'cut' || path.some(([x, y]) => Math.hypot(x - first[0], y - first[1]) > LEAST_PX)) drawn(viewport, path);
  };
  listen('pointerup', (event) => stroke && end(event));
  listen('keydown', (event) => {
    if (stroke && event.key === 'Escape') {
      stroke.mark.remove();
      stroke = null;
    }
  });
}

const isOver = (element, { target, clientX, clientY }) => {
  const { left, right, top, bottom } = element.getBoundingClientRect();
  const isWithin = clientX >= left && clientX < right && clientY >= top && clientY < bottom;
  return isWithin && (element.contains(target) || target.contains(element));
};

function marked(element, kind) {
  const mark = document.createElementNS(SVG, 'svg');
  mark.setAttribute('class', 'vhi-stroke');
  mark.style.cssText = 'position:absolute;inset:0;width:100%;height:100%;pointer-events:none;z-index:6';
  const line = document.createElementNS(SVG, 'polyline');
  for (const [name, value] of Object.entries({ fill: kind === 'cut' ? 'none' : 'rgba(127,212,255,.15)', stroke: '#7fd4ff', 'stroke-width': 2 })) {
    line.setAttribute(name, value);
  }
  mark.append(line);
  element.append(mark);
  return mark;
}
