/** What a reading took: clicks anywhere in the page, seconds since the case was opened, strokes that changed a boundary. */

export class Effort {
  #opened = performance.now();
  clicks = 0;
  strokes = 0;

  constructor(target = window) {
    target.addEventListener('pointerdown', () => (this.clicks += 1), { capture: true });
  }

  restart() {
    this.#opened = performance.now();
    this.clicks = 0;
    this.strokes = 0;
  }

  /** Go on counting where a draft left off. */
  goOn({ seconds, clicks, boundary_edits: strokes }) {
    this.#opened = performance.now() - 1000 * seconds;
    this.clicks += clicks;
    this.strokes = strokes;
  }

  /** As drafts and submissions keep it. */
  facts() {
    const seconds = Math.round((performance.now() - this.#opened) / 100) / 10;
    return { seconds, clicks: this.clicks, boundary_edits: this.strokes };
  }
}
