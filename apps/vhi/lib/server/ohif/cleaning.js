/** Which lesions, slice by slice, a reader removed or restored; the server replays it over the automatic result. */

/** What was decided of each lesion in each slice, where the last decision counts, and the clicks that decided it. */
export class Decisions {
  constructor(clicks = [], byVoxel = new Map(), lesions = new Set()) {
    Object.assign(this, { clicks, byVoxel, lesions });
  }

  /**
   * The same with one more click.
   *
   * @param {'remove'|'restore'} what
   * @param {number[]} voxel that was clicked
   * @param {'lesion'|'slice'} scope whether it counts for the whole lesion, or for what of it lies in the slice
   * @param {import('./lesions.js').Lesions} found
   */
  with(what, voxel, scope, found) {
    const id = found.at(voxel);
    const byVoxel = new Map(this.byVoxel);
    for (const [slice, first] of found.slicesOf(id)) {
      if (scope === 'lesion' || slice === voxel[2]) byVoxel.set(first.join(), { what, voxel: first });
    }
    return new Decisions([...this.clicks, { what, voxel, scope }], byVoxel, new Set([...this.lesions, id]));
  }

  /** Decisions of clicks that were made before, on the same automatic result. */
  static of(clicks, found) {
    const add = (before, { what, voxel, scope }) => (found.at(voxel) ? before.with(what, voxel, scope, found) : before);
    return clicks.reduce(add, new Decisions());
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
