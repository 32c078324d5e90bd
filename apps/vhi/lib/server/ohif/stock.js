/**
 * MONAI Label's own panel, mended where it draws at the wrong place: it writes into the label map of the series that was shown when
 * it connected, asks for the series that is shown now, and throws away every segment that a task did not answer.
 */

import { address, inner } from './addresses.js';
import { answered } from './cells.js';
import { Decisions } from './cleaning.js';
import { numbered } from './labels.js';
import { parseNrrd } from './nrrd.js';
import { SEGMENTATION_ID, SEGMENTS, indexOf } from './segments.js';
import { t } from './texts.js';

const COOKIE = 'MONAILABEL_SERVER_URL';

/**
 * The panel's server is this one, whatever an older visit, or another server on this host, left in its cookie: cookies know no port.
 */
export function setServer() {
  const stored = Object.getOwnPropertyDescriptor(Document.prototype, 'cookie');
  const isServer = (one) => one.startsWith(`${COOKIE}=`);
  const ours = `${COOKIE}=${escape(window.location.origin + address('/'))}`;
  Object.defineProperty(document, 'cookie', {
    configurable: true,
    get: () => [ours, ...stored.get.call(document).split('; ').filter((one) => one && !isServer(one))].join('; '),
    set: (text) => {
      if (!isServer(text)) stored.set.call(document, text);
    },
  });
}

/**
 * Send the panel's requests for either series of the open case to STIR's, where the label map lies; clicks move along. And say who
 * reads, which the panel does not.
 *
 * @param {() => object|null} open the open reading, see `reading.js`
 */
export function watchRequests(open) {
  const plain = { open: XMLHttpRequest.prototype.open, send: XMLHttpRequest.prototype.send };
  const changes = new WeakMap(); // how a request's body is changed
  XMLHttpRequest.prototype.open = function (method, url, ...rest) {
    const target = new URL(String(url), window.location.href);
    const [, kind, name] = /^\/(infer|activelearning)\/([^/]+)$/.exec(inner(target.pathname)) ?? [];
    const [reading, series] = [open(), target.searchParams.get('image')];
    if (kind === 'activelearning') changes.set(this, (body) => namedJson(body, reading?.reader));
    if (kind !== 'infer' || !reading || ![reading.case.t1w, reading.case.stir].includes(series)) {
      return plain.open.call(this, method, url, ...rest);
    }
    this.addEventListener('load', () => {
      if (this.status === 200) reading.stockAnswer = { model: name, buffer: this.response };
    });
    changes.set(this, (body) => movedClicks(body, (voxel) => reading.onStir(series, voxel), reading.reader));
    target.searchParams.set('image', reading.case.stir);
    return plain.open.call(this, method, target.href, ...rest);
  };
  XMLHttpRequest.prototype.send = function (body) {
    const change = changes.get(this);
    return plain.send.call(this, change ? change(body) : body);
  };
}

const named = (params, reader) => (reader ? { ...params, client_id: reader } : params);

const namedJson = (body, reader) => (typeof body === 'string' ? JSON.stringify(named(JSON.parse(body), reader)) : body);

function movedClicks(body, move, reader) {
  const params = JSON.parse(body.get('params'));
  for (const key of ['foreground', 'background']) if (params[key]) params[key] = params[key].map(move);
  body.set('params', JSON.stringify(named(params, reader)));
  return body;
}

/** Keep the label map that is there when the panel connects; its segments get the numbers and colours of this page. */
export function keepLabelmap(commandsManager) {
  const command = commandsManager.getContext('SEGMENTATION').loadSegmentationsForViewport;
  const plain = command.commandFn;
  if (plain.isMended) return;
  command.commandFn = async (options) => {
    const [asked] = options.segmentations;
    const exists = window.cornerstoneTools.segmentation.state.getSegmentation(SEGMENTATION_ID);
    if (asked.segmentationId !== SEGMENTATION_ID || !exists) return plain(options);
    for (const segment of Object.values(asked.config.segments)) {
      const known = SEGMENTS[indexOf(segment.label) - 1];
      if (known) Object.assign(segment, { segmentIndex: known.index, color: known.color });
    }
    return SEGMENTATION_ID;
  };
  command.commandFn.isMended = true;
}

/**
 * The panel's point prompts take every frame of reference that holds annotations of any tool (lengths, reference lines) to hold points,
 * and count the last one's: those without get an empty list, and come first.
 */
export function mendPoints(manager) {
  const plain = manager.saveAnnotations;
  if (plain.isMended) return;
  manager.saveAnnotations = (group, tool) => {
    const saved = plain(group, tool);
    if (group || !tool) return saved;
    const frames = Object.entries(saved).map(([frame, tools]) => [frame, { ...tools, [tool]: tools[tool] ?? [] }]);
    return Object.fromEntries(frames.sort(([, one], [, other]) => one[tool].length - other[tool].length));
  };
  manager.saveAnnotations.isMended = true;
}

/** What the panel writes is its answer put into the map, instead of its answer alone. */
export function mendWriting(labelmap, reading, models) {
  const { voxelManager } = labelmap.volume;
  const plain = voxelManager.setCompleteScalarDataArray.bind(voxelManager);
  voxelManager.setCompleteScalarDataArray = (data) => {
    const answer = reading.stockAnswer;
    reading.stockAnswer = null;
    if (!answer) return plain(data);
    const names = models[answer.model].labels;
    const found = numbered(parseNrrd(answer.buffer).data, names);
    const isVhi = answer.model.startsWith('vhi');
    // lesions are listed by our own measurement alone
    const more = isVhi ? { measured: null, decisions: new Decisions(), left: null, isExpected: false, now: null, wasShown: true } : {};
    reading.put(answered(reading.cells, found, Object.keys(names)), { ...more, isByHand: true });
    if (isVhi) reading.message = t('viewer.stock_drew');
    reading.touched();
    reading.look(!isVhi);
    return undefined;
  };
}
