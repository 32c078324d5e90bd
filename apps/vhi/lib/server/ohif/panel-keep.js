/** Parts of the panel: what was begun before, and another window that has gone on. */

import { button, el } from './dom.js';
import { timeOf } from './panel-submit.js';

const asked = (id, text, ...buttons) =>
  el('section', { id, class: 'asked', role: 'alert', tabIndex: -1 }, el('div', {}, text), el('div', { class: 'line' }, ...buttons));

/** The question that is answered before anything else; null where there is none. */
export function keepSection({ keeping }) {
  const { keeper } = keeping;
  if (keeper?.found?.isDamaged) {
    return asked('vhi-draft', keeper.failure, button('Start anew', () => keeping.startAnew(), { id: 'vhi-start-anew' }));
  }
  if (keeper?.found) {
    return asked(
      'vhi-draft',
      'You have begun this case and not handed it in.',
      button(`Go on with what you had begun, of ${timeOf(keeper.found.saved)}`, () => keeping.goOn(), { id: 'vhi-go-on' }),
      button('Start anew', () => keeping.startAnew(), { id: 'vhi-start-anew' }),
    );
  }
  if (!keeper?.conflict) return null;
  const { saved } = keeper.conflict;
  const text = saved
    ? `Another window of yours has gone on with this case (${timeOf(saved)}). Nothing is kept from here until you choose.`
    : 'What you had begun here was handed in or thrown away in another window. Nothing is kept from here until you choose.';
  return asked(
    'vhi-conflict',
    text,
    button('Keep what is here', () => keeper.takeOver(), { id: 'vhi-take-over' }),
    button(saved ? 'Show what is there' : 'Show what was handed in', () => keeping.giveIn(), { id: 'vhi-give-in' }),
  );
}
