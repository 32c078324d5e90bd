/** Label maps as the server takes them: one .nii file, uint8, where the volume lies. */

const HEADER = 352;
const UINT8 = 2;
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
