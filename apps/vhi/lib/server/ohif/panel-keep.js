/** Parts of the panel: what was begun before, and another window that has gone on. */

import { button, el } from './dom.js';
import { timeOf } from './panel-submit.js';
import { t } from './texts.js';

const asked = (id, text, ...buttons) =>
  el('section', { id, class: 'asked', role: 'alert', tabIndex: -1 }, el('div', {}, text), el('div', { class: 'line' }, ...buttons));

/** The question that is answered before anything else; null where there is none. */
export function keepSection({ keeping }) {
  const { keeper } = keeping;
  if (keeper?.found?.isDamaged) {
    return asked('vhi-draft', keeper.failure, button(t('draft.start_anew'), () => keeping.startAnew(), { id: 'vhi-start-anew' }));
  }
  if (keeper?.found) {
    return asked(
      'vhi-draft',
      t('draft.begun'),
      button(t('draft.go_on', { time: timeOf(keeper.found.saved) }), () => keeping.goOn(), { id: 'vhi-go-on' }),
      button(t('draft.start_anew'), () => keeping.startAnew(), { id: 'vhi-start-anew' }),
    );
  }
  if (!keeper?.conflict) return null;
  const { saved } = keeper.conflict;
  const text = saved
    ? t('conflict.gone_on', { time: timeOf(saved) })
    : t('conflict.gone');
  return asked(
    'vhi-conflict',
    text,
    button(t('conflict.take_over'), () => keeper.takeOver(), { id: 'vhi-take-over' }),
    button(saved ? t('conflict.give_in') : t('conflict.give_in_handed_in'), () => keeping.giveIn(), { id: 'vhi-give-in' }),
  );
}
