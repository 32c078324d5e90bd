/** Something that is asked of the server about what is on screen: the newest question alone counts, and one is asked at a time. */

export class Latest {
  #running = null;

  /**
   * @param {() => any} wanted what to ask about now; null for nothing
   * @param {(about: any) => Promise} ask
   * @param {(about: any, answer: any) => void} take only called while it is still wanted
   * @param {(error: Error) => void} fail
   */
  constructor(wanted, ask, take, fail) {
    Object.assign(this, { wanted, ask, take, fail });
  }

  /** Once what is on screen is answered for, or failed. */
  settle() {
    this.#running ??= this.#run().finally(() => {
      this.#running = null;
    });
    return this.#running;
  }

  async #run() {
    for (let about = this.wanted(); about !== null; about = this.wanted()) {
      try {
        const answer = await this.ask(about);
        if (this.wanted() === about) this.take(about, answer);
      } catch (error) {
        if (this.wanted() !== about) continue;
        this.fail(error);
        return;
      }
    }
  }
}
