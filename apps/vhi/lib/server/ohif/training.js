/** How far training on the server is: a line below the images while it runs, and how it ended until the reader closes it. */

import { information } from './api.js';
import { button, el } from './dom.js';
import { t } from './texts.js';

const IDLE_MS = 15000;
const RUNNING_MS = 3000;

/** Ask now and then, while the page is seen. */
export function showTraining() {
  const words = el('span', {});
  const line = el(
    'div',
    { id: 'vhi-training', hidden: true },
    words,
    button(t('close'), () => (line.hidden = true)),
  );
  line.setAttribute('role', 'status');
  line.style.cssText = 'position:fixed;bottom:4px;right:12px;z-index:9000;max-width:60%;font:12px sans-serif;color:#9ccef9';
  line.lastChild.style.cssText = 'margin-left:8px;text-decoration:underline';
  document.body.append(line);
  let running = false;

  async function look() {
    const stats = (await information()).train_stats?.disease_region ?? {};
    const runs = Boolean(stats.text) && !stats.total_time;
    if (runs || running) {
      const share = Math.round((100 * stats.epoch) / stats.total_epochs);
      words.textContent = runs ? t('training.runs', { share, text: stats.text }) : t('training.ended', { text: stats.text });
      line.hidden = false;
    }
    running = runs;
  }

  async function again() {
    if (!document.hidden) await look().catch(() => {}); // a server that does not answer is told by what the reader does
    window.setTimeout(again, running ? RUNNING_MS : IDLE_MS);
  }
  again();
}
