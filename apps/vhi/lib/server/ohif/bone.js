/** Normal bone as it is drawn: how its intensities are spread, and what it makes of both thresholds and of VHI. */

import * as api from './api.js';
import { hasRegion, regionsOf, submission } from './cells.js';
import { Latest } from './latest.js';
import { niftiOf } from './nifti.js';
import { BONE } from './segments.js';

/** Watches a reading's normal bone: `reading.bone` is null without one, else says what the server finds: `facts`, or `why` not. */
export class Bone {
  #reading;
  #regions = null; // as they are drawn now
  #latest = new Latest(
    () => (this.#reading.bone?.of === this.#regions ? null : this.#regions),
    (regions) => this.#ask(regions),
    (regions, facts) => this.#tell(facts.measured === false ? { why: facts.messages.join(' ') } : { facts }, regions),
    (error) => this.#tell({ why: error.message }, this.#regions),
  );

  constructor(reading) {
    this.#reading = reading;
    reading.addEventListener('regions', () => this.#look());
  }

  #look() {
    const { cells } = this.#reading;
    this.#regions = hasRegion(cells, BONE) ? regionsOf(cells) : null;
    this.#reading.bone = this.#regions && { ...this.#reading.bone, of: null };
    this.#latest.settle();
  }

  /** The regions alone, so that the answer is what a measurement would show. */
  #ask(regions) {
    const reading = this.#reading;
    const { data, names } = submission(regions, false);
    const { proposal: _, ...settings } = reading.options;
    return api.preview(
      reading.case.stir,
      niftiOf(data, reading.labelmap.place()),
      reading.params({ label_info: names, normal_bone_clicks: reading.state.boneClicks, settings }),
    );
  }

  #tell(found, of) {
    this.#reading.bone = { facts: null, why: '', ...found, of };
    this.#reading.changed();
  }
}
