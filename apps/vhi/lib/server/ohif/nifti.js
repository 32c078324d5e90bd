/** Label maps as the server takes and keeps them: one .nii file, uint8, where the volume lies; and scans as it answers them. */

import { t } from './texts.js';

const HEADER = 352;
const UINT8 = 2;
const KINDS = { 2: Uint8Array, 4: Int16Array, 8: Int32Array, 16: Float32Array };
const SCANNER = 1;
const MM = 2;

/**
 * @param {Uint8Array} data first axis fastest
 * @param {{sizes: number[], directions: number[][], origin: number[]}} place in LPS mm; a step along each axis, the first voxel
 * @returns {Blob}
 */
export function niftiOf(data, { sizes, directions, origin }) {
  const header = new DataView(new ArrayBuffer(HEADER));
  header.setInt32(0, 348, true);
  [3, ...sizes, 1, 1, 1, 1].forEach((size, n) => header.setInt16(40 + 2 * n, size, true));
  header.setInt16(70, UINT8, true);
  header.setInt16(72, 8, true);
  [1, ...directions.map((step) => Math.hypot(...step)), 0, 0, 0, 0].forEach((mm, n) => header.setFloat32(76 + 4 * n, mm, true));
  header.setFloat32(108, HEADER, true);
  header.setFloat32(112, 1, true);
  header.setUint8(123, MM);
  header.setInt16(254, SCANNER, true); // sform
  const toRas = [-1, -1, 1];
  for (let row = 0; row < 3; row += 1) {
    const values = [...directions.map((step) => step[row]), origin[row]];
    values.forEach((value, n) => header.setFloat32(280 + 16 * row + 4 * n, toRas[row] * value, true));
  }
  [0x6e, 0x2b, 0x31, 0].forEach((byte, n) => header.setUint8(344 + n, byte)); // "n+1"
  return new Blob([header.buffer, data]);
}

/**
 * The same read again.
 *
 * @param {ArrayBuffer} buffer
 * @returns {{sizes: number[], directions: number[][], origin: number[], data: Uint8Array|Int16Array|Int32Array|Float32Array}} in LPS mm; first axis fastest
 */
export function parseNifti(buffer) {
  const header = new DataView(buffer);
  const isNifti = buffer.byteLength >= HEADER && header.getInt32(0, true) === 348;
  const Kind = isNifti && KINDS[header.getInt16(70, true)];
  if (!Kind) throw new Error(t('label.no_scan'));
  const sizes = [0, 1, 2].map((axis) => header.getInt16(42 + 2 * axis, true));
  const toRas = [-1, -1, 1];
  const column = (n) => [0, 1, 2].map((row) => toRas[row] * header.getFloat32(280 + 16 * row + 4 * n, true));
  const start = header.getFloat32(108, true);
  const voxels = sizes[0] * sizes[1] * sizes[2];
  if (buffer.byteLength !== start + voxels * Kind.BYTES_PER_ELEMENT) throw new Error(t('label.broke_off.case'));
  const data = new Kind(buffer, start, voxels);
  return { sizes, directions: [0, 1, 2].map(column), origin: column(3), data };
}
