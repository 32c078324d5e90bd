/** Label maps as the server answers them: NRRD, uint8, raw. */

import { t } from './texts.js';

/**
 * @param {ArrayBuffer} buffer
 * @returns {{sizes: number[], directions: number[][], origin: number[], data: Uint8Array}} geometry in LPS mm; first axis fastest
 */
export function parseNrrd(buffer) {
  const bytes = new Uint8Array(buffer);
  const end = endOfHeader(bytes);
  const lines = new TextDecoder().decode(bytes.subarray(0, end)).split('\n');
  if (!lines[0].startsWith('NRRD')) throw new Error(t('label.no_map'));
  const fields = Object.fromEntries(
    lines
      .filter((line) => /^[a-z ]+: /.test(line))
      .map((line) => [line.split(': ')[0], line.slice(line.indexOf(': ') + 2).trim()]),
  );
  if (!['uint8', 'uchar', 'unsigned char'].includes(fields.type) || fields.encoding !== 'raw') {
    throw new Error(t('label.type', { type: fields.type, encoding: fields.encoding }));
  }
  if (fields.space !== 'left-posterior-superior') throw new Error(t('label.space', { space: fields.space }));
  const sizes = fields.sizes.split(/\s+/).map(Number);
  const data = bytes.slice(end);
  if (data.length !== sizes[0] * sizes[1] * sizes[2]) throw new Error(t('label.broke_off.task'));
  return { sizes, directions: vectors(fields['space directions']), origin: vectors(fields['space origin'])[0], data };
}

function endOfHeader(bytes) {
  for (let at = 1; at < bytes.length; at += 1) {
    if (bytes[at] === 10 && bytes[at - 1] === 10) return at + 1;
  }
  throw new Error(t('label.no_map'));
}

function vectors(text) {
  return [...text.matchAll(/\(([^)]*)\)/g)].map((found) => found[1].split(',').map(Number));
}
