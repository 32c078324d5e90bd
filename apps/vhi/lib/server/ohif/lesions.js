/** The lesions of an automatic result: groups of 26-connected voxels, by the numbers that the server gave them. */

import { seen } from './cells.js';
import { CONSERVATIVE, isInflammation } from './segments.js';

export class Lesions {
  #sizes;
  #whole; // before any was split
  pieces = 0; // how many lesions of those listed are pieces
  #voxels = new Map(); // of each lesion: where it lies, as places in the map
  #idAt = new Map(); // by place

  /**
   * @param {Uint8Array} grades not 0 in lesions
   * @param {number[]} sizes of the map
   * @param {{id: number, voxel: number[], part: string, side: string, mm3: number}[]} listed each lesion with one of its voxels
   */
  constructor(grades, sizes, listed) {
    this.#sizes = sizes;
    this.grades = grades;
    this.listed = listed;
    this.#whole = listed;
    for (const { id, voxel } of listed) this.#grow(id, this.#place(voxel));
  }

  /**
   * The same with some lesions in pieces.
   *
   * @param {object[]} listed as before, with the pieces in place of their lesions
   * @param {{id: number, runs: number[][]}[]} pieces as the server split them
   */
  inPieces(listed, pieces) {
    const found = new Lesions(this.grades, this.#sizes, this.#whole);
    Object.assign(found, { listed, pieces: pieces.length });
    for (const { id, runs } of pieces) {
      const voxels = runs.flatMap(([start, length]) => Array.from({ length }, (_, n) => start + n));
      found.#voxels.set(id, Uint32Array.from(voxels));
      for (const n of voxels) found.#idAt.set(n, id);
    }
    return found;
  }

  #place([i, j, k]) {
    return i + this.#sizes[0] * (j + this.#sizes[1] * k);
  }

  #grow(id, start) {
    const [width, height, depth] = this.#sizes;
    const found = [];
    if (this.grades[start]) this.#idAt.set(start, id);
    const left = this.grades[start] ? [start] : [];
    while (left.length) {
      const at = left.pop();
      found.push(at);
      const [i, j, k] = [at % width, Math.floor(at / width) % height, Math.floor(at / (width * height))];
      for (let z = Math.max(0, k - 1); z <= Math.min(depth - 1, k + 1); z += 1) {
        for (let y = Math.max(0, j - 1); y <= Math.min(height - 1, j + 1); y += 1) {
          for (let x = Math.max(0, i - 1); x <= Math.min(width - 1, i + 1); x += 1) {
            const n = x + width * (y + height * z);
            if (this.grades[n] && !this.#idAt.has(n)) {
              this.#idAt.set(n, id);
              left.push(n);
            }
          }
        }
      }
    }
    this.#voxels.set(id, Uint32Array.from(found).sort());
  }

  /** The lesion under a voxel; undefined where there is none. */
  at(voxel) {
    const isInside = voxel.every((n, axis) => n >= 0 && n < this.#sizes[axis]);
    return isInside ? this.#idAt.get(this.#place(voxel)) : undefined;
  }

  /** Places of a lesion's voxels in the map, those of one slice alone where one is named. */
  voxelsOf(id, slice = null) {
    const voxels = this.#voxels.get(id) ?? new Uint32Array(0);
    const inSlice = this.#sizes[0] * this.#sizes[1];
    return slice === null ? voxels : voxels.filter((n) => Math.floor(n / inSlice) === slice);
  }

  /** The same as voxels [i, j, k]. */
  pointsOf(id, slice = null) {
    const [width, height] = this.#sizes;
    return Array.from(this.voxelsOf(id, slice), (n) => [n % width, Math.floor(n / width) % height, Math.floor(n / (width * height))]);
  }

  get ids() {
    return [...this.#voxels.keys()];
  }

  /**
   * What is left of each lesion, in voxels.
   *
   * @param {Uint8Array} cells see cells.js
   * @returns {Map<number, {whole: number, sensitive: number, conservative: number}>}
   */
  left(cells) {
    const counts = new Map();
    for (const [id, voxels] of this.#voxels) {
      const kept = voxels.filter((n) => isInflammation(seen(cells[n])));
      const conservative = kept.filter((n) => this.grades[n] === CONSERVATIVE).length;
      counts.set(id, { whole: voxels.length, sensitive: kept.length, conservative });
    }
    return counts;
  }
}
