/** A reading of six voxels in a row, and a server that answers as the real one does: label maps as NRRD, numbers of what is sent. */

globalThis.window = Object.assign(new EventTarget(), { vhi: { prefix: '' }, location: {} });
const { Reading } = await import('../reading.js');
const { measure } = await import('../measuring.js');
const { parseNifti } = await import('../nifti.js');

const SIZES = [6, 1, 1];
const LESIONS = [[0, 1], [3], [5]];
const HEADER = `NRRD0004\ntype: uint8\nspace: left-posterior-superior\nsizes: ${SIZES.join(' ')}\nencoding: raw
space directions: (1,0,0) (0,1,0) (0,0,1)\nspace origin: (0,0,0)\n\n`;

const PLACE = { part: 'ilium', side: 'left' };
const listed = LESIONS.map((voxels, n) => ({ id: n + 1, voxel: [voxels[0], 0, 0], mm3: voxels.length, ...PLACE }));
const map = (isIn) => Uint8Array.from({ length: 6 }, (_, n) => (LESIONS.some((one, index) => one.includes(n) && isIn(index + 1)) ? 1 : 0));
const idAt = ({ voxel: [i] }) => LESIONS.findIndex((one) => one.includes(i)) + 1;

/** `leavesOut`: lesions that its cleaning proposal leaves out; `refuses`: its sentence instead of an answer; `messages`: those of clicks. */
export class Server {
  leavesOut = [];
  refuses = '';
  messages = [];
  previews = 0;

  constructor() {
    window.fetch = async (url, { body } = {}) => this.#answer(String(url), body);
  }

  async #answer(url, body) {
    if (this.refuses) return Response.json({ detail: this.refuses }, { status: 500 });
    if (url.startsWith('/vhi/reading/preview')) {
      this.previews += 1;
      const { data } = parseNifti(await body.get('label').arrayBuffer());
      return Response.json(this.#facts(data.filter((value) => value & 4).length));
    }
    const { gestures = [] } = JSON.parse(body.get('params'));
    const kept = new Set(listed.map(({ id }) => id).filter((id) => !url.startsWith('/infer/vhi_clean') || !this.leavesOut.includes(id)));
    for (const gesture of gestures) {
      if (gesture.what === 'only') kept.clear();
      if (gesture.what === 'remove') kept.delete(idAt(gesture));
      else kept.add(idAt(gesture));
    }
    const labels = map((id) => kept.has(id));
    const form = new FormData();
    form.append('params', JSON.stringify({ ...this.#facts(labels.filter(Boolean).length), messages: this.messages }));
    form.append('image', new Blob([HEADER, labels]));
    return new Response(form);
  }

  #facts(voxels) {
    return { result_id: String(voxels), voxels, label_names: { inflammation: 1 }, lesions: listed, automatic_id: 'A', warnings: [], pieces: [] };
  }
}

class Labelmap {
  volume = {};
  map = new Uint8Array(6);
  read = () => Uint8Array.from(this.map);
  write = (data) => (this.map = Uint8Array.from(data));
  writeAt = (places, valueAt) => places.forEach((n) => (this.map[n] = valueAt(n)));
  place = () => ({ sizes: SIZES, directions: [[1, 0, 0], [0, 1, 0], [0, 0, 1]], origin: [0, 0, 0] });
  worldAt = (voxel) => voxel;
  check() {}
  async show() {}
}

export function opened(options = {}) {
  const effort = { strokes: 0, facts: () => ({}), goOn: () => {} };
  const drawable = Promise.resolve({ vhi: { config: {} } });
  return Object.assign(new Reading({ stir: 'S' }, new Labelmap(), drawable, effort, 'anna'), { options });
}

export async function measured(options = {}) {
  const reading = opened(options);
  await measure(reading);
  await reading.evaluated();
  return reading;
}

/** What is on screen, and the voxels that the numbers are of. */
export const shown = (reading) => [[...reading.labelmap.map].map((value) => (value ? 1 : 0)).join(''), reading.now.voxels];
