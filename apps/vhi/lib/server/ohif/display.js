/**
 * How bright images are shown: from the scan itself, dark marrow to fluid, because the window in a header may leave marrow black. What a
 * reader sets is remembered in the browser as shares of that range, and holds for the next scan, whose intensities are others.
 */

import { volumeOf } from './linked_views.js';

const STORED = 'vhi_display';
const EVERY = 37; // voxels; a quarter of a million of them say the same as all
const SHARES = [0.01, 0.99];
export const PRESETS = { scan: [0, 1], bright: [0, 0.55], fluid: [0.2, 1.5] };
const USUAL = { windows: {}, opacity: 35, isFilled: true, isNumbered: false };

/**
 * The intensities between which a scan's content lies: of those above zero 1 and 99 in a hundred.
 *
 * @param {ArrayLike<number>[]} slices
 */
export function contentRange(slices) {
  const some = new Float64Array(Math.ceil(slices.reduce((sum, { length }) => sum + length, 0) / EVERY));
  let [count, next] = [0, 0];
  for (const values of slices) {
    for (; next < values.length; next += EVERY) if (values[next] > 0) some[count++] = values[next];
    next -= values.length;
  }
  if (!count) return null;
  const sorted = some.subarray(0, count).sort();
  const [lower, upper] = SHARES.map((share) => sorted[Math.round(share * (sorted.length - 1))]);
  return upper > lower ? [lower, upper] : null;
}

export class Display {
  #views;
  #ranges = new WeakMap(); // by volume
  #opening = {};
  #shown = null; // volumes whose window was set since the case was opened
  #isSetting = false;
  #isPressed = false; // else the viewer sets a window, as when a case opens

  /** @param {() => {viewport: object, role: string}[]} views of the open case, with `stir` or `t1w` */
  constructor(views) {
    this.#views = views;
    this.chosen = { ...USUAL, ...JSON.parse(window.localStorage.getItem(STORED) ?? '{}') };
    const listen = (kind, work) => window.addEventListener(kind, work, { capture: true });
    listen('pointerdown', () => (this.#isPressed = true));
    listen('pointerup', () => (this.#isPressed = false));
    listen('CORNERSTONE_VOI_MODIFIED', (event) => this.#note(event.detail));
  }

  #rangeOf(viewport) {
    const volume = volumeOf(viewport);
    if (!volume || !(volume.loadStatus?.loaded ?? true)) return null;
    const values = (id) => window.cornerstone.cache.getImage(id)?.voxelManager.getScalarData() ?? [];
    if (!this.#ranges.has(volume)) this.#ranges.set(volume, contentRange(volume.imageIds.map(values)));
    return this.#ranges.get(volume);
  }

  /** The images of a case are there; of one that comes later the window is set then. */
  open() {
    if (!this.#shown) {
      const { eventTarget, Enums } = window.cornerstone;
      eventTarget.addEventListener(Enums.Events.IMAGE_VOLUME_LOADING_COMPLETED, () => this.#set((volume) => !this.#shown.has(volume)));
    }
    this.#shown = new WeakSet();
    this.#opening = this.chosen.windows;
    this.apply();
  }

  /** Windows as they were when the case was opened. */
  reset() {
    this.#remember({ windows: this.#opening });
    this.apply();
  }

  /** Set every image's window: what its reader chose, else dark marrow to fluid. */
  apply() {
    this.#set(() => true);
  }

  #set(isWanted) {
    this.#isSetting = true;
    try {
      for (const { viewport, role } of this.#views()) {
        const range = this.#rangeOf(viewport);
        const volume = volumeOf(viewport);
        if (!range || !isWanted(volume)) continue;
        this.#shown?.add(volume);
        const [low, high] = this.chosen.windows[role] ?? PRESETS.scan;
        const [lower, upper] = [low, high].map((share) => range[0] + share * (range[1] - range[0]));
        viewport.setProperties({ voiRange: { lower, upper } }, viewport.getAllVolumeIds()[0]);
        viewport.render();
      }
    } finally {
      this.#isSetting = false;
    }
  }

  /** The reader moved the window of an image. */
  #note({ viewportId, range }) {
    const view = this.#isSetting || !this.#isPressed || !range ? null : this.#views().find(({ viewport }) => viewport.id === viewportId);
    const content = view && this.#rangeOf(view.viewport);
    if (!content) return;
    const share = (value) => (value - content[0]) / (content[1] - content[0]);
    this.#remember({ windows: { ...this.chosen.windows, [view.role]: [share(range.lower), share(range.upper)] } });
  }

  usePreset(role, name) {
    this.#remember({ windows: { ...this.chosen.windows, [role]: PRESETS[name] } });
    this.apply();
  }

  /** How the coloured voxels are drawn. */
  draw(more, labelmap) {
    this.#remember(more);
    labelmap.setStyle(this.chosen);
  }

  /** Whether lesions have their numbers on the images. */
  number(isNumbered) {
    this.#remember({ isNumbered });
  }

  #remember(more) {
    Object.assign(this.chosen, more);
    window.localStorage.setItem(STORED, JSON.stringify(this.chosen));
  }
}
