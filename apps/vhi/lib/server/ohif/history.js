/** Undo and redo: what each step changed, as voxels and their values on its other side, with whatever else was so there. */

import { differing } from './words.js';

const STEPS = 50;

export class History {
  #done = [];
  #undone = [];

  /**
   * Note the step from one map to the next, and what else was so before; whether it is one.
   *
   * @param {Uint8Array} before
   * @param {Uint8Array} after
   * @param {object|null} state
   * @param {Iterable<number>|null} places that may have changed, each once: a step even where none did; all where it is absent
   */
  note(before, after, state = null, places = null) {
    const at = [];
    for (const n of places ?? differing(before, after)) if (before[n] !== after[n]) at.push(n);
    if (!at.length && !places) return false;
    this.#undone = [];
    this.#done.push({ at: Uint32Array.from(at), values: Uint8Array.from(at, (n) => before[n]), state });
    if (this.#done.length > STEPS) this.#done.shift();
    return true;
  }

  /**
   * What is so now was corrected: the steps from here, back and forward, still lead to the same voxels, and what else was so there changes.
   *
   * @param {Uint8Array} before
   * @param {Uint8Array} after
   * @param {(state: object|null) => object|null} change
   */
  amend(before, after, change) {
    for (const one of [this.#done.at(-1), this.#undone.at(-1)]) {
      if (!one) continue;
      const [places, values, own] = [[...one.at], [...one.values], new Set(one.at)];
      for (const n of differing(before, after)) {
        if (before[n] === after[n] || own.has(n)) continue;
        places.push(n);
        values.push(before[n]);
      }
      Object.assign(one, { at: Uint32Array.from(places), values: Uint8Array.from(values), state: change(one.state) });
    }
  }

  get canUndo() {
    return this.#done.length > 0;
  }

  get canRedo() {
    return this.#undone.length > 0;
  }

  /** The map before the last step, what else was so, and where the two differ; null without a step. What is so now comes back by `redo`. */
  undo(map, state = null) {
    return step(this.#done, this.#undone, map, state);
  }

  redo(map, state = null) {
    return step(this.#undone, this.#done, map, state);
  }

  clear() {
    [this.#done, this.#undone] = [[], []];
  }
}

function step(from, to, map, state) {
  const taken = from.pop();
  if (!taken) return null;
  const { at, values } = taken;
  to.push({ at, values: Uint8Array.from(at, (n) => map[n]), state });
  const other = new Uint8Array(map);
  at.forEach((n, k) => {
    other[n] = values[k];
  });
  return { map: other, state: taken.state, at };
}
