/** A line across the top of the page, for what must not be overlooked. */

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
