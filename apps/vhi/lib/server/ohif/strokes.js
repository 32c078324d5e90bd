/** What is drawn over an image, for a gesture or into the label map; while it is in hand the viewer's own tools get no press there. */

const SVG = 'http://www.w3.org/2000/svg';
const LEAST_PX = 4;

/**
 * @param {() => {id: string, viewport: object}[]} viewports
 * @param {() => 'lasso'|'line'|'cut'|'brush'|'circle'|'rectangle'|null} inHand
 * @param {object} handlers with the viewport and the path on its canvas: `moved` from the press on, `drawn` at the end of what is more than
 *   a click (or of a brush or a cut), `dropped` when it is given up
 */
export function watchStrokes(viewports, inHand, handlers) {
  let stroke = null;
  // a press that is taken brings no mouse events either, which the viewer's tools listen for; they hold a click back for 0.4 s
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
    stroke = { ...view, kind, path: [placed(view, event)], mark: markedBy(kind, view.viewport.element) };
    handlers.moved(stroke.viewport, stroke.path);
  });
  listen('pointermove', (event) => {
    if (!stroke) return;
    take(event);
    stroke.path.push(placed(stroke, event));
    for (const [name, value] of Object.entries(MARKS[stroke.kind]?.at(stroke.path) ?? {})) stroke.mark.firstChild.setAttribute(name, value);
    handlers.moved(stroke.viewport, stroke.path);
  });
  const end = () => {
    const { viewport, kind, path, mark } = stroke;
    stroke = null;
    mark?.remove();
    const [first] = path;
    const isClick = !path.some(([x, y]) => Math.hypot(x - first[0], y - first[1]) > LEAST_PX);
    if (!['brush', 'cut'].includes(kind) && isClick) handlers.dropped();
    else handlers.drawn(viewport, kind === 'line' ? [first, path[path.length - 1]] : path);
  };
  const drop = () => {
    stroke?.mark?.remove();
    if (stroke) handlers.dropped();
    stroke = null;
  };
  listen('pointerup', (event) => {
    if (!stroke) return;
    take(event);
    end();
  });
  listen('pointercancel', drop);
  listen('keydown', (event) => event.key === 'Escape' && drop());
}

const isOver = (element, { target, clientX, clientY }) => {
  const { left, right, top, bottom } = element.getBoundingClientRect();
  const isWithin = clientX >= left && clientX < right && clientY >= top && clientY < bottom;
  return isWithin && (element.contains(target) || target.contains(element));
};

const listed = (points) => points.map((one) => one.join()).join(' ');
const ends = (path) => [path[0], path[path.length - 1]];

/** What is seen of a stroke under way; a brush draws at once. */
const MARKS = {
  lasso: { tag: 'polyline', at: (path) => ({ points: listed(path) }) },
  line: { tag: 'polyline', at: (path) => ({ points: listed(ends(path)) }) },
  cut: { tag: 'polyline', at: (path) => ({ points: listed(path), fill: 'none' }) },
  circle: { tag: 'circle', at: (path) => (([[cx, cy], [x, y]]) => ({ cx, cy, r: Math.hypot(x - cx, y - cy) }))(ends(path)) },
  rectangle: { tag: 'polygon', at: (path) => (([[x0, y0], [x, y]]) => ({ points: listed([[x0, y0], [x, y0], [x, y], [x0, y]]) }))(ends(path)) },
};

function markedBy(kind, element) {
  if (!MARKS[kind]) return null;
  const mark = document.createElementNS(SVG, 'svg');
  mark.setAttribute('class', 'vhi-stroke');
  mark.style.cssText = 'position:absolute;inset:0;width:100%;height:100%;pointer-events:none;z-index:6';
  const shape = document.createElementNS(SVG, MARKS[kind].tag);
  for (const [name, value] of Object.entries({ fill: 'rgba(127,212,255,.15)', stroke: '#7fd4ff', 'stroke-width': 2 })) {
    shape.setAttribute(name, value);
  }
  mark.append(shape);
  element.append(mark);
  return mark;
}
