/** The pointer over the images: clicks for cleaning, and the ends of strokes. */

const CLICK_PX = 4;

/**
 * Watch the page.
 *
 * @param {() => {id: string, viewport: object}[]} viewports
 * @param {{click: (world: number[]) => void, stroke: () => void, isInHand: () => boolean}} handlers `isInHand`: whether a tool of ours is
 */
export function watchPointer(viewports, handlers) {
  let pressed = null;
  const over = (event) => viewports().find(({ viewport }) => isOver(viewport.element, event));
  window.addEventListener('pointerdown', (event) => (pressed = event.button === 0 && over(event) ? event : null), {
    capture: true,
  });
  window.addEventListener(
    'mouseup',
    (event) => {
      const [start, found] = [pressed, over(event)];
      pressed = null;
      handlers.stroke();
      if (!start || !found || Math.hypot(event.clientX - start.clientX, event.clientY - start.clientY) > CLICK_PX) return;
      const { left, top } = found.viewport.element.getBoundingClientRect();
      handlers.click(found.viewport.canvasToWorld([event.clientX - left, event.clientY - top]));
    },
    { capture: true },
  );
  // two quick clicks with a tool are two clicks, and not the viewer's double click, which makes one image fill the window
  window.addEventListener('dblclick', (event) => handlers.isInHand() && over(event) && event.stopImmediatePropagation(), { capture: true });
}

/** Whether an event lies on an element, or, in a viewport that is not the active one, on the frame around it. */
function isOver(element, { target, clientX, clientY }) {
  const { left, right, top, bottom } = element.getBoundingClientRect();
  const isWithin = clientX >= left && clientX < right && clientY >= top && clientY < bottom;
  return isWithin && (element.contains(target) || target.contains(element));
}
