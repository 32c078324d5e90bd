import assert from 'node:assert/strict';
import { test } from 'node:test';

globalThis.window = { vhi: { prefix: '' }, location: { href: 'http://host/' } };
const { imageIn, Unreadable } = await import('../dicom.js');
const { SeriesAhead, partIn } = await import('../images_ahead.js');

const PIXELS = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];
const number = (value, bytes) => Array.from({ length: bytes }, (_, n) => (value >>> (8 * n)) & 255);
const text = (words) => [...words].map((letter) => letter.charCodeAt(0));
const tag = (group, element) => [...number(group, 2), ...number(element, 2)];

/** An element of 8 bytes before its value, or of 12. */
const short = (group, element, kind, value) => [...tag(group, element), ...text(kind), ...number(value.length, 2), ...value];
const long = (group, element, kind, value, length = value.length) => [...tag(group, element), ...text(kind), 0, 0, ...number(length, 4), ...value];
const implicit = (group, element, value, length = value.length) => [...tag(group, element), ...number(length, 4), ...value];

const UNDEFINED = 0xffffffff;
const [ITEM_END, SEQUENCE_END] = [implicit(0xfffe, 0xe00d, []), implicit(0xfffe, 0xe0dd, [])];
const nested = (inside) => [...implicit(0xfffe, 0xe000, [...inside, ...ITEM_END], UNDEFINED), ...SEQUENCE_END];

/** Two rows of three pixels of 16 bits, with sequences of no length on the way. */
function file(uid, { syntax = '1.2.840.10008.1.2.1', frames = '1 ', pixels = long(0x7fe0, 0x10, 'OW', PIXELS) } = {}) {
  const sized = [[0x02, 1], [0x10, 2], [0x11, 3]].map(([element, value]) => short(0x28, element, 'US', number(value, 2)));
  return [
    ...new Array(128).fill(0), ...text('DICM'),
    ...short(2, 0x10, 'UI', text(syntax.padEnd(20, '\0'))),
    ...short(8, 0x18, 'UI', text(uid)),
    ...long(8, 0x1140, 'SQ', nested(short(8, 0x1150, 'UI', text('7fe0'))), UNDEFINED),
    ...long(9, 0x1001, 'UN', nested(implicit(8, 0x1150, text('7fe00010'))), UNDEFINED),
    ...[sized[0], short(0x28, 8, 'IS', text(frames)), ...sized.slice(1), short(0x28, 0x100, 'US', number(16, 2))].flat(),
    ...pixels,
  ];
}

const bytes = (...parts) => Uint8Array.from(parts.flat());
const part = (content) => [...text('\r\n--edge\r\nContent-Type: application/dicom\r\n\r\n'), ...content];
const END = text('\r\n--edge--\r\n');

test('the pixels of an image are found behind sequences of no length', () => {
  const whole = bytes(file('1.23'));
  const { uid, start, end } = imageIn(whole);
  assert.equal(uid, '1.23');
  assert.deepEqual([...whole.subarray(start, end)], PIXELS);
});

test('an image that has not all arrived is none yet, wherever it is cut', () => {
  const whole = bytes(file('1.23'));
  for (let length = 0; length < whole.length; length += 1) assert.equal(imageIn(whole.subarray(0, length)), null);
});

test('an image without kinds of elements is read too, and a padded one without its padding', () => {
  const numbers = [[0x02, 1], [0x10, 2], [0x11, 3], [0x100, 8]].flatMap(([element, value]) => implicit(0x28, element, number(value, 2)));
  const head = [...new Array(128).fill(0), ...text('DICM'), ...short(2, 0x10, 'UI', text('1.2.840.10008.1.2\0'))];
  const whole = bytes(head, implicit(8, 0x18, text('1.5\0')), numbers, implicit(0x7fe0, 0x10, PIXELS.slice(0, 8)));
  const { uid, start, end } = imageIn(whole);
  assert.equal(uid, '1.5');
  assert.deepEqual([...whole.subarray(start, end)], PIXELS.slice(0, 6));
});

test('compressed images, those of several frames and what is no image are left to the viewer', () => {
  const compressed = { syntax: '1.2.840.10008.1.2.4.80', pixels: long(0x7fe0, 0x10, 'OB', [0], UNDEFINED) };
  for (const more of [compressed, { frames: '2 ' }, { pixels: long(0x7fe0, 0x10, 'OW', PIXELS.slice(0, 10)) }, { pixels: short(2, 2, 'UI', []) }]) {
    assert.throws(() => imageIn(bytes(file('1.23', more))), Unreadable);
  }
  assert.throws(() => imageIn(bytes(new Array(132).fill(65))), Unreadable);
  assert.throws(() => partIn(new Uint8Array(20000).fill(13)), Unreadable);
});

/** A server that answers in pieces of some length. */
function serve(content, length) {
  const asked = [];
  window.fetch = async (path) => {
    asked.push(path);
    const pieces = Array.from({ length: Math.ceil(content.length / length) }, (_, n) => content.slice(n * length, (n + 1) * length));
    return { ok: true, body: new ReadableStream({ start: (one) => (pieces.forEach((piece) => one.enqueue(piece)), one.close()) }) };
  };
  return asked;
}

const frame = (uid) => `/series/1/instances/${uid}/frames/1`;
const values = (image) => [...new Uint8Array(image)];

for (const length of [1, 7, 100, 100000]) {
  test(`each image of a series is given once, in pieces of ${length}, by one request`, async () => {
    const other = { pixels: long(0x7fe0, 0x10, 'OW', PIXELS.toReversed()) };
    const asked = serve(bytes(part(file('1.21')), part(file('1.22', other)), END), length);
    const series = new SeriesAhead('/series/1');
    const both = await Promise.all(['1.22', '1.21'].map((uid) => series.take(frame(uid))));
    assert.deepEqual(both.map(values), [PIXELS.toReversed(), PIXELS]);
    for (const uid of ['1.21', '9.99']) assert.equal(await series.take(frame(uid)), null);
    assert.deepEqual(asked, ['/series/1']);
  });
}

test('the last image is given though its file is shorter than the one before', async () => {
  const long_uid = '1.21' + '.333'.repeat(12);
  serve(bytes(part(file(long_uid)), part(file('1.22')), END), 100);
  const series = new SeriesAhead('/series/1');
  const both = await Promise.all([long_uid, '1.22'].map((uid) => series.take(frame(uid))));
  assert.deepEqual(both.map((image) => image && values(image)), [PIXELS, PIXELS]);
});

test('images behind one that cannot be read, or in an answer that is refused, will not come', async () => {
  serve(bytes(part(file('1.21')), part(file('1.22', { frames: '2 ' })), part(file('1.23')), END), 50);
  const series = new SeriesAhead('/series/1');
  const three = await Promise.all(['1.21', '1.22', '1.23'].map((uid) => series.take(frame(uid))));
  assert.deepEqual(three.map((image) => image && values(image)), [PIXELS, null, null]);
  window.fetch = async () => ({ ok: false });
  assert.equal(await new SeriesAhead('/series/1').take(frame('1.21')), null);
  window.fetch = () => Promise.reject(new Error('unreachable'));
  assert.equal(await new SeriesAhead('/series/1').take(frame('1.21')), null);
});

test('of a case that is given up nothing is waited for', async () => {
  window.fetch = (_, { signal }) => new Promise((_, refuse) => signal.addEventListener('abort', () => refuse(signal.reason)));
  const series = new SeriesAhead('/series/1');
  const waiting = series.take(frame('1.21'));
  series.end();
  assert.equal(await waiting, null);
});
