/**
 * Keeps what a reader has begun on the server, at once after each change, so that a closed window loses nothing. It waits for the reader
 * to decide where something was begun before, and where another window has gone on.
 */

const AFTER_CHANGE_MS = 200; // one save for the changes of one action
const AGAIN_MS = 5000;

export class Keeper extends EventTarget {
  saved = null; // when it was kept last
  found = null; // what was begun before, until the reader goes on with it or starts anew
  conflict = null; // what another window has kept meanwhile, until the reader decides
  failure = '';
  #store;
  #collect;
  #revision = null;
  #isBehind = false;
  #saving = null;
  #timer = null;
  #isClosed = false;
  #isHeld = false; // while a submission is on its way
  #wasBehind = false;

  /**
   * @param {{find: Function, save: Function, remove: Function}} store
   * @param {() => {state: object, map: string}} collect what there is to keep
   */
  constructor(store, collect) {
    super();
    this.#store = store;
    this.#collect = collect;
  }

  #tell() {
    this.dispatchEvent(new Event('change'));
  }

  get isWaiting() {
    return Boolean(this.found ?? this.conflict);
  }

  /** The revision of what was kept; a submission hands it in. */
  get revision() {
    return this.#revision;
  }

  /** Look for what was begun before. */
  async open() {
    try {
      const draft = await this.#store.find();
      this.found = draft.revision ? draft : null;
      this.#revision = draft.revision ?? null;
      this.failure = '';
    } catch (error) {
      this.failure = error.message;
      this.found = { isDamaged: error.status === 422 };
      if (!this.found.isDamaged) this.found = null;
    }
    this.#tell();
  }

  /** Go on with what was begun; gives it. */
  goOn() {
    const draft = this.found;
    this.found = null;
    this.saved = draft.saved;
    this.#tell();
    return draft;
  }

  /** Throw it away. */
  async startAnew() {
    await this.#store.remove(this.#revision ?? '*');
    Object.assign(this, { found: null, saved: null, failure: '' });
    this.#revision = null;
    this.#tell();
  }

  /** Something was begun before, and something else is here already: the reader decides which of them counts. */
  meet() {
    this.conflict = { revision: this.found.revision, saved: this.found.saved };
    this.found = null;
    this.#isBehind = true;
    this.#tell();
  }

  /** What is here counts, whatever the other window has kept. */
  takeOver() {
    this.#revision = this.conflict.revision;
    this.conflict = null;
    this.changed(0);
  }

  /** What the other window has kept comes here; null where it is gone. */
  async giveIn() {
    const draft = await this.#store.find();
    this.#revision = draft.revision ?? null;
    Object.assign(this, { conflict: null, saved: draft.saved ?? null });
    this.#isBehind = false;
    this.#tell();
    return draft.revision ? draft : null;
  }

  /** Something changed that must not be lost. */
  changed(afterMs = AFTER_CHANGE_MS) {
    this.#isBehind = true;
    this.#plan(afterMs);
    this.#tell();
  }

  #plan(afterMs) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.flush(), afterMs);
  }

  /** Save now what is not saved yet; `isLast` where the page goes away. */
  flush(isLast = false) {
    if (!this.#isBehind || this.isWaiting || this.#isClosed || this.#isHeld) return this.#saving ?? Promise.resolve();
    if (this.#saving && !isLast) return this.#saving;
    clearTimeout(this.#timer);
    this.#isBehind = false;
    this.#saving = this.#save(isLast).finally(() => {
      this.#saving = null;
      this.#tell();
      if (this.#isBehind && !this.isWaiting && !this.failure) this.#plan(0);
    });
    return this.#saving;
  }

  async #save(isLast) {
    const before = this.#revision;
    try {
      const { revision, saved } = await this.#store.save(this.#collect(), before, isLast);
      if (this.#revision === before) this.#revision = revision;
      Object.assign(this, { saved, failure: '' });
    } catch (error) {
      if (this.#revision !== before) return; // handed in meanwhile
      this.#isBehind = true;
      if (error.status === 409) {
        this.conflict = error.facts;
      } else {
        this.failure = error.message;
        this.#plan(AGAIN_MS);
      }
    }
  }

  get isKept() {
    return !this.#isBehind && !this.#saving && !this.isWaiting;
  }

  /** Nothing is saved while a submission is on its way: gives the revision that it hands in. */
  async handingIn() {
    clearTimeout(this.#timer);
    await this.#saving;
    this.#isHeld = true;
    this.#wasBehind = this.#isBehind;
    this.#isBehind = false;
    return this.#revision;
  }

  /** It was handed in: what changed meanwhile is a draft of its own. */
  handedIn() {
    this.#revision = null;
    Object.assign(this, { saved: null, conflict: null, failure: '' });
    this.#goOnSaving();
  }

  /** It was refused: all is as before. */
  notHandedIn() {
    this.#isBehind ||= this.#wasBehind;
    this.#goOnSaving();
  }

  #goOnSaving() {
    this.#isHeld = false;
    if (this.#isBehind) this.#plan(0);
    this.#tell();
  }

  /** Another case, or another reader. */
  close() {
    this.flush(true);
    clearTimeout(this.#timer);
    this.#isClosed = true;
  }
}
