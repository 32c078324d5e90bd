/** What a reader has begun or handed in of the open case: kept, offered again, and drawn again. */

import * as api from './api.js';
import { Keeper } from './keeper.js';
import { watchLeaving } from './leaving.js';
import { goOn, kept, reopen } from './restoring.js';

export class Keeping {
  keeper = null; // null while nobody is named as the reader
  newest = null; // this reader's newest submission in this reading
  finished = 0; // how many readings of the case this reader has finished
  isLooking = false; // for what was begun and handed in
  #reading = null;
  #notify;

  /** @param {() => void} notify called when something changed */
  constructor(notify) {
    this.#notify = notify;
    watchLeaving(
      () => this.#reading?.isUnsent ?? false,
      () => this.keeper?.flush(true),
    );
  }

  /** A case was opened. */
  start(reading) {
    this.#reading = reading;
    reading.addEventListener('touch', () => this.keeper?.changed());
    return this.readerChosen();
  }

  end() {
    this.keeper?.close();
    Object.assign(this, { keeper: null, newest: null, finished: 0 });
    this.#reading = null;
  }

  /** Somebody reads from now on: what they began, else what they handed in. */
  async readerChosen() {
    const reading = this.#reading;
    this.keeper?.close();
    this.keeper = null;
    if (!reading?.reader) return;
    const store = api.draftOf(reading.case.stir, reading.reader, reading.number);
    const keeper = new Keeper(store, () => kept(reading));
    Object.assign(this, { keeper, isLooking: true });
    this.#notify();
    keeper.addEventListener('change', this.#notify);
    const [found] = await Promise.all([this.#found(reading), keeper.open()]);
    if (this.keeper !== keeper) return;
    Object.assign(this, found, { isLooking: false });
    reading.submitted = this.newest && { ...this.newest, version: -1 };
    if (keeper.found && reading.isUnsent) keeper.meet();
    else if (reading.isUnsent) keeper.changed();
    else if (!keeper.found && this.newest && !reading.busy && reading.state.version === 0) reopen(reading, this.newest);
    this.#notify();
  }

  /** The newest submission in this reading, and how many readings are finished. */
  async #found(reading) {
    try {
      return await this.#handedIn(reading);
    } catch (error) {
      reading.message = error.message;
      return { newest: null, finished: 0 };
    }
  }

  async #handedIn({ case: { stir }, reader, number }) {
    const all = (await api.submissions(stir, reader)).filter((one) => one.segments.length);
    const finished = all.filter((one) => one.segments.some(({ name }) => name === 'inflammation'));
    const newest = all.some((one) => one.reading === number) ? await api.submitted(stir, reader, number) : null;
    return { newest, finished: Math.max(0, ...finished.map((one) => one.reading)) };
  }

  /** Go on with what was begun before. */
  async goOn() {
    if (await goOn(this.#reading, this.keeper.found)) this.keeper.goOn();
  }

  /** Throw it away. */
  startAnew() {
    return this.#reading.work('starting', async () => {
      await this.keeper.startAnew();
      if (this.newest) reopen(this.#reading, this.newest);
    });
  }

  /** Show what the other window has kept, or handed in. */
  giveIn() {
    return this.#reading.work('opening', async () => {
      const draft = await this.keeper.giveIn();
      if (draft) goOn(this.#reading, draft);
      else this.read(this.#reading.number);
    });
  }

  /** Read the case for this time, 1 for the first; the readings know nothing of each other. */
  async read(number) {
    const reading = this.#reading;
    await this.keeper?.flush();
    Object.assign(reading, { number, options: {}, rating: '', isUnsent: false, submitted: null });
    await reading.restore(new Uint8Array(reading.cells.length), { version: 0, nowOf: 0 });
    await this.readerChosen();
  }
}
