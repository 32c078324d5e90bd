/**
 * The login of this page. It is a cookie that no script can read (lib/server/sessions.py); what scripts add is its mark, on every
 * request to this server that may change something, whoever sends it: the viewer, MONAI Label's mode, our own modules.
 */

import { address } from './addresses.js';
import { t } from './texts.js';

const SAFE = ['GET', 'HEAD', 'OPTIONS'];
const HEADER = 'X-CSRF-Token';

/** The mark of the login as it is now: signing in again, in another tab, changes it. */
export function mark() {
  const name = `${window.vhi.csrf_cookie}=`;
  return document.cookie.split('; ').find((one) => one.startsWith(name))?.slice(name.length) ?? '';
}

function isMarked(method, url) {
  return !SAFE.includes(method.toUpperCase()) && isOwn(url) && mark() !== '';
}

function isOwn(url) {
  return new URL(url, window.location.href).origin === window.location.origin;
}

function markFetch() {
  const plain = window.fetch.bind(window);
  window.fetch = async (resource, options) => {
    let request = new Request(resource, options);
    if (isMarked(request.method, request.url) && !request.headers.has(HEADER)) {
      request = new Request(request, { headers: new Headers([...request.headers, [HEADER, mark()]]) });
    }
    const answer = await plain(request);
    noteStatus(answer.status, request.url);
    return answer;
  };
}

function markXhr() {
  const { open, send, setRequestHeader } = XMLHttpRequest.prototype;
  const asked = new WeakMap();
  XMLHttpRequest.prototype.open = function (method, url, ...rest) {
    asked.set(this, { method, url: String(url), isMarked: false });
    return open.call(this, method, url, ...rest);
  };
  XMLHttpRequest.prototype.setRequestHeader = function (name, value) {
    if (name.toLowerCase() === HEADER.toLowerCase()) asked.get(this).isMarked = true;
    return setRequestHeader.call(this, name, value);
  };
  XMLHttpRequest.prototype.send = function (body) {
    const { method, url, isMarked: done } = asked.get(this);
    if (!done && isMarked(method, url)) setRequestHeader.call(this, HEADER, mark());
    this.addEventListener('load', () => noteStatus(this.status, url));
    return send.call(this, body);
  };
}

/** A login that ended: said in the page, because leaving it would lose what was drawn. */
function noteStatus(status, url) {
  if (status !== 401 || !isOwn(url) || document.getElementById('vhi-signed-out')) return;
  const note = document.createElement('div');
  note.id = 'vhi-signed-out';
  note.setAttribute('role', 'alert');
  note.style.cssText =
    'position:fixed;top:0;left:0;right:0;z-index:10000;padding:8px;text-align:center;background:#7a1f1f;color:#fff';
  note.append(t('login.ended'), ' ');
  const link = document.createElement('a');
  link.href = `${address('/login')}?next=${address('/')}`;
  link.target = '_blank';
  link.style.textDecoration = 'underline';
  link.textContent = t('login.sign_in');
  link.addEventListener('click', () => note.remove());
  note.append(link, t('login.then'));
  document.body.append(note);
}

function showReader(reader) {
  const box = document.createElement('div');
  box.id = 'vhi-reader';
  // beside the name of the viewer, over no image
  box.style.cssText =
    'position:fixed;top:16px;left:190px;max-width:250px;overflow-wrap:anywhere;z-index:9000;font:12px sans-serif;color:#9ccef9';
  const button = document.createElement('button');
  button.type = 'button';
  button.textContent = t('login.sign_out');
  button.style.cssText = 'margin-left:8px;text-decoration:underline';
  button.addEventListener('click', async () => {
    const answer = await window.fetch(address('/logout'), { method: 'POST' });
    const { next } = answer.status === 200 ? await answer.json() : { next: address('/login') }; // a sign-on service's own page
    window.location.assign(next);
  });
  box.append(t('login.signed_in', { reader }), button);
  document.body.append(box);
}

if (window.vhi.login_required) {
  markFetch();
  markXhr();
  if (window.vhi.reader) showReader(window.vhi.reader);
}
