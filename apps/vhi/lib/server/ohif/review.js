/** A finished case that an administrator looks at: two readings' masks, where they differ, and what is recorded of it. */

import * as api from './api.js';
import { Labelmap } from './labelmap.js';
import { t } from './texts.js';

// not by colour alone: the first is filled, the second outlined
export const SIDES = [
  { id: 'vhi-first', color: [255, 170, 40, 255], chosen: { opacity: 55, isFilled: true } },
  { id: 'vhi-second', color: [60, 200, 255, 255], chosen: { opacity: 0, isFilled: false } },
];

const segmentOf = (color, label) => ({ 1: { segmentIndex: 1, label, color, active: true, locked: true } });

export class Review extends EventTarget {
  facts = null; // see `/vhi/review`
  chosen = []; // ids of two submissions
  found = null; // where they differ
  slice = null; // the one that was gone to
  why = '';
  kept = '';
  #maps;

  /**
   * @param {{stir: string}} found the case
   * @param {(world: number[]) => void} show goes to a point
   */
  constructor(found, services, show) {
    super();
    Object.assign(this, { case: found, show });
    this.#maps = SIDES.map(
      ({ id, color, chosen }) => new Labelmap(services, chosen, { id, segments: segmentOf(color, id), colours: [[0, 0, 0, 0], color] }),
    );
  }

  async open(displaySet) {
    for (const map of this.#maps) await map.create(displaySet);
    await this.#work(async () => {
      this.facts = await api.reviewOf(this.case.stir);
      this.chosen = this.facts.readings.slice(0, 2).map((one) => one.submission);
    });
    await this.choose(this.chosen);
  }

  /** Lay the masks of two readings over the images. */
  async choose(chosen) {
    Object.assign(this, { chosen, found: null, slice: null, kept: '' });
    if (chosen.length < 2 || chosen[0] === chosen[1]) {
      this.why ||= chosen.length < 2 ? t('review.too_few') : t('review.choose_two');
      this.#maps.forEach((map) => map.volume && map.write(new Uint8Array(map.read().length)));
      return this.#changed();
    }
    await this.#work(async () => {
      const { labels, ...found } = await api.compared(this.case.stir, ...chosen);
      if (this.chosen !== chosen) return; // others were chosen meanwhile
      this.#maps.forEach((map, n) => {
        map.check(labels);
        map.write(labels.data.map((value) => (value >> n) & 1));
      });
      this.found = found;
      await this.draw();
    });
  }

  /** Show them in images that do not show them yet. */
  async draw() {
    for (const map of this.#maps) await map.show();
  }

  goTo(one) {
    this.slice = one.slice;
    this.show(this.#maps[0].worldAt(one.voxel));
    this.#changed();
  }

  /** What the viewer counts a slice as. */
  numberOf(slice) {
    return this.#maps[0].numberOf(slice);
  }

  /** Record a class for the slice that was gone to, or for the case. */
  async record(isOfCase, reason, note) {
    await this.#work(async () => {
      const [first, second] = this.chosen;
      const slice = isOfCase ? null : this.slice;
      const made = await api.recordReview({ image: this.case.stir, first, second, slice, reason, note });
      this.facts.reviews.push(made);
      this.kept = t('review.kept', { reason: made.reason, what: this.whatOf(made) });
    });
    return !this.why;
  }

  whatOf({ slice }) {
    return slice === null ? t('review.case') : t('review.slice', { number: this.numberOf(slice) });
  }

  async #work(run) {
    this.why = '';
    try {
      await run();
    } catch (error) {
      this.why = error.message;
    }
    this.#changed();
  }

  #changed() {
    this.dispatchEvent(new Event('change'));
  }
}
