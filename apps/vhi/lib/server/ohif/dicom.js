/** Where the pixels of an image lie in a DICOM file (PS3.5, PS3.10) of which the beginning has arrived. Bytes in, places out. */

// transfer syntaxes that leave pixels as they are, and whether each element says of what kind it is
const UNCOMPRESSED = { '1.2.840.10008.1.2': false, '1.2.840.10008.1.2.1': true };
const code = (kind) => kind.charCodeAt(0) * 256 + kind.charCodeAt(1);
const LONG = new Set(['OB', 'OD', 'OF', 'OL', 'OV', 'OW', 'SQ', 'SV', 'UC', 'UN', 'UR', 'UT', 'UV'].map(code));
const UNKNOWN = code('UN');
const UNDEFINED = 0xffffffff;
const [ITEM, ITEM_END, SEQUENCE_END] = [0xfffee000, 0xfffee00d, 0xfffee0dd];
const PIXELS = 0x7fe00010;
const TEXTS = { 0x00020010: 'syntax', 0x00080018: 'uid', 0x00280008: 'frames' };
const NUMBERS = { 0x00280002: 'samples', 0x00280010: 'rows', 0x00280011: 'columns', 0x00280100: 'bits' };

/** Bytes that are not what is read here; nobody is told, since they are had another way. */
export class Unreadable extends Error {}

/**
 * The uncompressed image of a file.
 *
 * @param {Uint8Array} bytes from the preamble on
 * @returns {{uid: string, start: number, end: number}|null} null where more bytes are needed
 * @throws {Unreadable} what follows is no such image
 */
export function imageIn(bytes) {
  try {
    return found(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  } catch (error) {
    if (error instanceof RangeError) return null; // read behind the end
    throw error;
  }
}

function found(view) {
  if (textAt(view, 128, 4) !== 'DICM') throw new Unreadable();
  const known = { frames: '1' };
  let isExplicit = true;
  let last = 0;
  for (let at = 132; ; ) {
    // the first group tells of the others, and is explicit itself
    if (view.getUint16(at, true) !== 2) isExplicit = UNCOMPRESSED[known.syntax];
    const one = elementAt(view, at, isExplicit);
    if (isExplicit === undefined || one.tag <= last || one.tag > PIXELS) throw new Unreadable();
    if (one.tag === PIXELS) return pixelsOf(view, one, known);
    if (TEXTS[one.tag]) known[TEXTS[one.tag]] = textAt(view, one.start, one.length).replace(/[\0 ]+$/, '');
    if (NUMBERS[one.tag]) known[NUMBERS[one.tag]] = view.getUint16(one.start, true);
    last = one.tag;
    at = endOf(view, one, isExplicit);
  }
}

function pixelsOf(view, { start, length }, { uid, frames, samples, rows, columns, bits }) {
  const size = (samples * rows * columns * bits) / 8;
  if (length === UNDEFINED || !(size <= length) || Number(frames) !== 1) throw new Unreadable();
  return start + length > view.byteLength ? null : { uid, start, end: start + size };
}

function elementAt(view, at, isExplicit) {
  const tag = view.getUint16(at, true) * 0x10000 + view.getUint16(at + 2, true);
  if (!isExplicit || tag >= ITEM) return { tag, start: at + 8, length: view.getUint32(at + 4, true) };
  const kind = view.getUint16(at + 4);
  if (!LONG.has(kind)) return { tag, kind, start: at + 8, length: view.getUint16(at + 6, true) };
  return { tag, kind, start: at + 12, length: view.getUint32(at + 8, true) };
}

/** Behind an element; sequences and items of no length end with a mark, and what is of an unknown kind is implicit inside. */
function endOf(view, { kind, start, length }, isExplicit) {
  if (length !== UNDEFINED) return start + length;
  for (let at = start; ; ) {
    const one = elementAt(view, at, isExplicit && kind !== UNKNOWN);
    if (one.tag === ITEM_END || one.tag === SEQUENCE_END) return one.start;
    at = endOf(view, one, isExplicit && kind !== UNKNOWN);
  }
}

const textAt = (view, at, length) => Array.from({ length }, (_, n) => String.fromCharCode(view.getUint8(at + n))).join('');
