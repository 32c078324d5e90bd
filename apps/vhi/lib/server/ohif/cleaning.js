/** Which lesions, slice by slice, a reader removed or restored; the server replays it over the automatic result. */

/**
 * The lesion under a voxel, a group of 26-connected voxels, as one voxel of it in each of its slices.
 *
 * @param {Uint8Array} grades the automatic result, not 0 in lesions
 * @param {number[]} sizes
 * @param {number[]} voxel
 * @returns {Map<number, number[]>} slice to voxel, the same one wherever the lesion is clicked; empty where there is no lesion
 */
export function slicesOfLesion(grades, sizes, voxel) {
  const [width, height, depth] = sizes;
  const at = (i, j, k) => i + width * (j + height * k);
  const first = new Map();
  if (voxel.some((n, axis) => n < 0 || n >= sizes[axis]) || !grades[at(...voxel)]) return first;
  const seen = new Set([at(...voxel)]);
  const left = [voxel];
  while (left.length) {
    const [i, j, k] = left.pop();
    const known = first.get(k);
    if (!known || at(i, j, k) < at(...known)) first.set(k, [i, j, k]);
    for (let z = Math.max(0, k - 1); z <= Math.min(depth - 1, k + 1); z += 1) {
      for (let y = Math.max(0, j - 1); y <= Math.min(height - 1, j + 1); y += 1) {
        for (let x = Math.max(0, i - 1); x <= Math.min(width - 1, i + 1); x += 1) {
          const n = at(x, y, z);
          if (grades[n] && !seen.has(n)) {
            seen.add(n);
            left.push([x, y, z]);
          }
        }
      }
    }
  }
  return first;
}

/** What was decided of each lesion in each slice; the last decision counts. */
export class Decisions {
  constructor(known = new Map()) {
    this.byVoxel = new Map(known);
  }

  /**
   * The same with one more click.
   *
   * @param {'remove'|'restore'} what
   * @param {Map<number, number[]>} slices of the lesion
   * @param {number|null} only the slice that was clicked, or null for the whole lesion
   */
  with(what, slices, only = null) {
    const next = new Decisions(this.byVoxel);
    for (const [slice, voxel] of slices) {
      if (only === null || slice === only) next.byVoxel.set(voxel.join(), { what, voxel });
    }
    return next;
  }

  /** As `vhi_clean` takes them; each voxel stands for its lesion in its slice. */
  params() {
    const of = (what) => [...this.byVoxel.values()].filter((one) => one.what === what).map((one) => one.voxel);
    return { background: of('remove'), foreground: of('restore'), scope: 'slice' };
  }

  get size() {
    return this.byVoxel.size;
  }
}

/** What became of each lesion of the automatic result: `kept`, `part` or `removed`. */
export function fates(facts, now) {
  const changes = now?.changes?.inflammation;
  const removed = new Set(changes?.lesions_removed ?? []);
  const part = new Set((changes?.boundary_edits ?? []).map(([id]) => id));
  return new Map((facts?.lesions ?? []).map(({ id }) => [id, removed.has(id) ? 'removed' : part.has(id) ? 'part' : 'kept']));
}
