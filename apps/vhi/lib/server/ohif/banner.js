/** A line across the top of the page, for what must not be overlooked. */

import { t } from './texts.js';

export function showBanner(text, id = 'vhi-banner') {
  const show = () => {
    if (document.getElementById(id)) return;
    const line = document.createElement('div');
    line.id = id;
    line.setAttribute('role', 'alert');
    line.textContent = text;
    line.style.cssText =
      'position:fixed;top:0;left:0;right:0;z-index:9999;padding:8px 16px;text-align:center;font:14px sans-serif;background:#7a4b00;color:#fff';
    document.body.append(line);
  };
  if (document.body) show();
  else document.addEventListener('DOMContentLoaded', show);
}

const LEAST_PX = 900;

/** Two images and a panel need a wide window: where it is narrower, the page says so. */
export function watchWidth() {
  const narrow = window.matchMedia(`(max-width: ${LEAST_PX - 1}px)`);
  const tell = () => {
    document.getElementById('vhi-narrow')?.remove();
    if (!narrow.matches) return;
    showBanner(t('window.narrow', { least: LEAST_PX, found: window.innerWidth }), 'vhi-narrow');
  };
  narrow.addEventListener('change', tell);
  tell();
}
