/** What a reader decided of lesions, as gestures in their order; the server replays them over the automatic result. */

import { takenBy } from './gestures.js';

/** The lesions of which a gesture decides: of all, where it keeps those alone that it takes. */
export const touchedBy = (gesture, taken, found) => (gesture.what === 'only' ? found.ids : taken);

/** Gestures in their order, a click being one, and the lesions that any of them took. */
export class Decisions {
  constructor(clicks = [], lesions = new Set()) {
    Object.assign(this, { clicks, lesions });
  }

  /**
   * The same with one more gesture.
   *
   * @param {object} gesture as `vhi_clean` takes it: `what`, `scope` and its place
   * @param {Iterable<number>} touched the lesions of which it decides
   */
  with(gesture, touched) {
    return new Decisions([...this.clicks, gesture], new Set([...this.lesions, ...touched]));
  }

  /**
   * Decisions of gestures that were made before, on the same automatic result. Those that take nothing of it are left out; from a split
   * on all stay, because its pieces are the server's alone.
   */
  static of(gestures, found) {
    const add = (before, gesture) => {
      const taken = takenBy(gesture, found);
      const isSplit = [...before.clicks, gesture].some(({ what }) => what === 'split');
      return taken.length || isSplit ? before.with(gesture, touchedBy(gesture, taken, found)) : before;
    };
    return gestures.reduce(add, new Decisions());
  }

  /** As `vhi_clean` takes them. */
  params() {
    return { gestures: this.clicks };
  }

  get size() {
    return this.clicks.length;
  }
}

/**
 * What became of each lesion of the automatic result: `kept`, `part`, `removed` by the reader, or `proposed`: left out by the cleaning
 * proposal, which the reader has not touched.
 *
 * @param {{id: number, keep?: boolean}[]} lesions
 * @param {Map<number, {whole: number, sensitive: number}>} left
 * @param {boolean} isApplied whether what is proposed to be removed was left out
 * @param {Decisions} decisions
 */
export function fates(lesions, left, isApplied, decisions) {
  const fate = ({ id, keep }) => {
    const { whole, sensitive } = left.get(id);
    if (sensitive) return sensitive < whole ? 'part' : 'kept';
    return isApplied && keep === false && !decisions.lesions.has(id) ? 'proposed' : 'removed';
  };
  return new Map(lesions.map((one) => [one.id, fate(one)]));
}
