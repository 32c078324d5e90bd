/** Label maps as the server answers them: NRRD, uint8, raw. */

/**
 * @param {ArrayBuffer} buffer
 * @returns {{sizes: number[], directions: number[][], origin: number[], data: Uint8Array}} geometry in LPS mm; first axis fastest
 */
export function parseNrrd(buffer) {
  const bytes = new Uint8Array(buffer);
  const end = endOfHeader(bytes);
  const lines = new TextDecoder().decode(bytes.subarray(0, end)).split('\n');
  if (!lines[0].startsWith('NRRD')) throw new Error('The server answered with something else than a label map.');
  const fields = Object.fromEntries(
    lines
      .filter((line) => /^[a-z ]+: /.test(line))
      .map((line) => [line.split(': ')[0], line.slice(line.indexOf(': ') + 2).trim()]),
  );
  if (!['uint8', 'uchar', 'unsigned char'].includes(fields.type) || fields.encoding !== 'raw') {
    throw new Error(`The label map is ${fields.type}, ${fields.encoding}; uint8, raw is needed.`);
  }
  if (fields.space !== 'left-posterior-superior') throw new Error(`The label map lies in ${fields.space}, not in LPS.`);
  const sizes = fields.sizes.split(/\s+/).map(Number);
  const data = bytes.slice(end);
  if (data.length !== sizes[0] * sizes[1] * sizes[2]) throw new Error('The label map broke off; run the task again.');
  return { sizes, directions: vectors(fields['space directions']), origin: vectors(fields['space origin'])[0], data };
}

function endOfHeader(bytes) {
  for (let at = 1; at < bytes.length; at += 1) {
    if (bytes[at] === 10 && bytes[at - 1] === 10) return at + 1;
  }
  throw new Error('The server answered with something else than a label map.');
}

function vectors(text) {
  return [...text.matchAll(/\(([^)]*)\)/g)].map((found) => found[1].split(',').map(Number));
}
