/**
 * The images of a case, asked for as soon as it is known: each series by one request. The viewer asks for its slices one by one, five at a
 * time, and not before it is mounted; for 50 slices the server took five times as long, and they were waited for after the number. What the
 * viewer asks for is answered from here, each slice once; what is not here, such as compressed images, is sent for as ever.
 */

import { address } from './addresses.js';
import { imageIn, Unreadable } from './dicom.js';

const ROOT = '/proxy/dicom/wado';
const ACCEPT = 'multipart/related; type="application/dicom"; transfer-syntax=*';
const CONTENT_TYPE = 'application/octet-stream; transfer-syntax=1.2.840.10008.1.2.1'; // little endian both
const LONGEST_HEADERS = 16384;

export const JSON_TYPE = 'application/dicom+json';

const metadata = new Map(); // of a study by its path, once it comes
const coming = new Map(); // series by their paths
const asked = new Set(); // in this page: the viewer keeps what it has once been given

export const metadataPath = (study) => address(`${ROOT}/studies/${study}/metadata`);

/** The viewer will want a study's metadata: what comes is given once, null for nothing. */
export function expectMetadata(study, comes) {
  metadata.clear(); // the viewer opens one study at a time
  metadata.set(metadataPath(study), comes);
}

/** The images of a case are wanted; those of another one are given up. They are asked for once the viewer knows the study, or wants one. */
export function expectImages({ study, stir, t1w }) {
  const paths = [stir, t1w].map((series) => address(`${ROOT}/studies/${study}/series/${series}`));
  for (const [path, series] of coming) {
    if (!paths.includes(path)) giveUp(path, series);
  }
  for (const path of paths) {
    if (!asked.has(path)) coming.set(path, new SeriesAhead(path));
    asked.add(path);
  }
}

export const askForImages = () => coming.forEach((series) => series.ask());

export const forgetImages = () => coming.forEach((series, path) => giveUp(path, series));

function giveUp(path, series) {
  series.end();
  coming.delete(path);
  if (!series.isTaken) asked.delete(path); // the viewer has none of it: worth asking for anew
}

/** Images of a series, while they arrive. */
export class SeriesAhead {
  #path;
  #arrived = new Map();
  #wanted = new Map(); // what is done with an image that arrives
  #giving = new AbortController();
  #isAsked = false;
  isTaken = false; // whether the viewer wanted any of it

  constructor(path) {
    this.#path = path;
  }

  ask() {
    if (this.#isAsked) return;
    this.#isAsked = true;
    this.#read().catch(() => null).finally(() => this.end());
  }

  async #read() {
    const { signal } = this.#giving;
    const answer = await window.fetch(this.#path, { headers: { Accept: ACCEPT }, credentials: 'same-origin', signal });
    if (!answer.ok) return;
    const reader = answer.body.getReader();
    let [pieces, size, needed] = [[], 0, 0]; // the next image is about as long as the last one
    for (let isDone = false; !isDone; ) {
      const piece = await reader.read();
      isDone = piece.done;
      if (!isDone) {
        pieces.push(piece.value);
        size += piece.value.length;
      }
      if (size < needed && !isDone) continue;
      let held = joined(pieces, size);
      for (let part = partIn(held); part; part = partIn(held)) {
        this.#arrive(`${this.#path}/instances/${part.uid}/frames/1`, held.slice(part.start, part.end).buffer);
        held = held.subarray(part.end);
        needed = part.end;
      }
      [pieces, size] = [[held], held.length];
    }
  }

  #arrive(path, image) {
    const give = this.#wanted.get(path);
    this.#wanted.delete(path);
    if (give) give(image);
    else this.#arrived.set(path, image);
  }

  /** An image, once it is there; null where it will not come, or was given before. */
  take(path) {
    this.isTaken = true;
    this.ask();
    const image = this.#arrived.get(path);
    this.#arrived.delete(path);
    if (image || this.#giving.signal.aborted || this.#wanted.has(path)) return Promise.resolve(image ?? null);
    return new Promise((give) => this.#wanted.set(path, give));
  }

  /** Nothing more comes; what has arrived can still be taken. */
  end() {
    this.#giving.abort();
    for (const give of this.#wanted.values()) give(null);
    this.#wanted.clear();
  }
}

function joined(pieces, size) {
  const all = new Uint8Array(size);
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  return all;
}

/** The image of the next part of a multipart answer; null where it has not arrived. */
export function partIn(bytes) {
  for (let at = bytes.indexOf(13); at >= 0; at = bytes.indexOf(13, at + 1)) {
    if (at > LONGEST_HEADERS) throw new Unreadable();
    if (bytes[at + 1] !== 10 || bytes[at + 2] !== 13 || bytes[at + 3] !== 10) continue;
    const image = imageIn(bytes.subarray(at + 4));
    return image && { uid: image.uid, start: at + 4 + image.start, end: at + 4 + image.end };
  }
  return null;
}

/** From now on requests of the viewer for what was asked for before are answered from here. */
export function answerFrames() {
  const { open, send } = XMLHttpRequest.prototype;
  const paths = new WeakMap();
  XMLHttpRequest.prototype.open = function (method, url, ...rest) {
    paths.set(this, method.toUpperCase() === 'GET' ? new URL(String(url), window.location.href).pathname : '');
    return open.call(this, method, url, ...rest);
  };
  XMLHttpRequest.prototype.send = function (body) {
    const path = paths.get(this);
    // not sooner: the server would answer with images first
    if (path.endsWith('/metadata')) this.addEventListener('loadend', askForImages);
    const comes = metadata.get(path);
    metadata.delete(path);
    const series = coming.get(path.slice(0, Math.max(0, path.indexOf('/instances/'))));
    if (!comes && !series) return send.call(this, body);
    const kind = comes ? JSON_TYPE : CONTENT_TYPE;
    (comes ?? series.take(path)).then((found) => (found ? answer(this, found, kind) : send.call(this, body)));
  };
}

function answer(request, response, kind) {
  const getResponseHeader = (name) => (name.toLowerCase() === 'content-type' ? kind : null);
  const facts = { readyState: 4, status: 200, response, getResponseHeader };
  for (const [name, value] of Object.entries(facts)) Object.defineProperty(request, name, { value });
  for (const kind of ['readystatechange', 'load', 'loadend']) request.dispatchEvent(new ProgressEvent(kind));
}
