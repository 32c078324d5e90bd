/** Undo and redo: what each step changed, as voxels and their values on its other side, with whatever else was so there. */

const STEPS = 50;

export class History {
  #done = [];
  #undone = [];

  /** Note the step from one map to the next, and what else was so before; whether any voxel changed. */
  note(before, after, state = null) {
    const at = [];
    for (let n = 0; n < after.length; n += 1) if (before[n] !== after[n]) at.push(n);
    if (!at.length) return false;
    this.#undone = [];
    this.#done.push({ at: Uint32Array.from(at), values: Uint8Array.from(at, (n) => before[n]), state });
    if (this.#done.length > STEPS) this.#done.shift();
    return true;
  }

  get canUndo() {
    return this.#done.length > 0;
  }

  get canRedo() {
    return this.#undone.length > 0;
  }

  /** The map before the last step, and what else was so; null when there is no step. What is so now comes back by `redo`. */
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
  const other = Uint8Array.from(map);
  at.forEach((n, k) => {
    other[n] = values[k];
  });
  return { map: other, state: taken.state };
}
