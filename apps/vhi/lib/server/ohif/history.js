/** Undo: what each step changed, as voxels and their values before, with whatever else was so before it. */

const STEPS = 50;

export class History {
  #steps = [];

  /** Note the step from one map to the next, and what else was so before; whether any voxel changed. */
  note(before, after, state = null) {
    const at = [];
    for (let n = 0; n < after.length; n += 1) if (before[n] !== after[n]) at.push(n);
    if (!at.length) return false;
    this.#steps.push({ at: Uint32Array.from(at), was: Uint8Array.from(at, (n) => before[n]), state });
    if (this.#steps.length > STEPS) this.#steps.shift();
    return true;
  }

  get length() {
    return this.#steps.length;
  }

  /** The map before the last step, and what else was so; null when there is no step. */
  back(map) {
    const step = this.#steps.pop();
    if (!step) return null;
    const before = Uint8Array.from(map);
    step.at.forEach((n, k) => {
      before[n] = step.was[k];
    });
    return { map: before, state: step.state };
  }
}
