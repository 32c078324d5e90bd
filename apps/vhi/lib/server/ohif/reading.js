/** One case being read: what lies in its voxels, what the numbers are, and how it became so. It sends `change` events. */

import * as api from './api.js';
import { changedAt, drawn, graded, hasRegion, isSeen, regionsDiffer, seen, seenOf, submission } from './cells.js';
import { Decisions } from './cleaning.js';
import { History } from './history.js';
import { Latest } from './latest.js';
import { confirmed, corrected } from './measuring.js';
import { niftiOf } from './nifti.js';
import { BONE, REGION } from './segments.js';
import { t } from './texts.js';
import { differs } from './words.js';

/**
 * What is so besides the voxels; undo and redo bring it back with them.
 *
 * measured: the last measurement, see measuring.js; null before it
 * decisions: what clicks decided of its lesions
 * left: of its grades after clicks, in the numbers of this page
 * isExpected: whether `left` is what this page makes of the clicks, and the server has not answered yet
 * now: the numbers of what is on screen, of the same function that measures a submission
 * wasShown: whether VHI was seen: then no voxel of inflammation means that there is none
 * boneClicks: voxels of STIR that normal bone was grown from; sent with what is drawn, so that the server knows it again
 * isByHand: whether a stroke or MONAI Label's panel drew since the measurement
 * version, nowOf: which content this is, and of which one the numbers are
 */
const NOTHING = {
  ...{ measured: null, decisions: new Decisions(), left: null, isExpected: false, now: null, boneClicks: [] },
  ...{ wasShown: false, isByHand: false, version: 0, nowOf: 0 },
};

export class Reading extends EventTarget {
  history = new History();
  state = NOTHING;
  options = {};
  rating = '';
  both = true;
  submitted = null; // the newest submission, and the version that it is of
  question = null; // a submission that would be kept with another number, until the reader decides
  stockAnswer = null; // of MONAI Label's panel, on its way into the map, see stock.js
  isUnsent = false;
  busy = '';
  message = '';
  numbersWhy = ''; // why there are no numbers of what is on screen
  bone = null; // what normal bone, as it is drawn, makes of VHI; see panel-bone.js
  resting = Promise.resolve(); // once what it is busy with is done
  #cells = null;
  #versions = 0;
  #waiting = 0;
  #takenBack = null; // why a step that was drawn at once is gone again
  #numbers = new Latest(
    () => (this.isBehind || this.state.isExpected ? this.state : null),
    (state) => (state.isExpected ? confirmed(this, state) : this.#evaluated()),
    (state, answer) => (state.isExpected ? this.#confirm(answer) : this.#tellNumbers({ ...state, now: answer, nowOf: state.version })),
    (error) => (this.state.isExpected ? this.#takeBack(error) : this.#tellNumbers(this.state, error.message)),
  );

  /**
   * @param {object} found the case
   * @param {import('./labelmap.js').Labelmap} labelmap
   * @param {Promise} drawable when there is a label map to draw in
   * @param {import('./effort.js').Effort} effort
   * @param {string} reader
   * @param {number} number 1 for the first reading of the case
   */
  constructor(found, labelmap, drawable, effort, reader, number = 1) {
    super();
    Object.assign(this, { case: found, labelmap, drawable, effort, reader, number });
  }

  get cells() {
    this.#cells ??= new Uint8Array(this.labelmap.read().length);
    return this.#cells;
  }

  /** What was drawn, where it can be drawn in yet. */
  get drawnCells() {
    return this.labelmap.volume ? this.cells : null;
  }

  get facts() {
    return this.state.measured?.facts ?? null;
  }

  get now() {
    return this.state.now;
  }

  get isSubmitted() {
    return this.submitted?.version === this.state.version;
  }

  #nextVersion() {
    this.#versions += 1;
    return this.#versions;
  }

  changed() {
    this.dispatchEvent(new Event('change'));
  }

  /** Something that is lost with the page, were it not kept. */
  touched() {
    this.isUnsent = true;
    this.question = null;
    this.dispatchEvent(new Event('touch'));
  }

  /** Do some work, one after the other, and tell how it went. */
  work(what, run) {
    this.#waiting += 1;
    this.busy = what;
    this.changed();
    this.resting = this.resting.then(() => this.#run(what, run));
    return this.resting;
  }

  async #run(what, run) {
    Object.assign(this, { busy: what, message: '' });
    try {
      await run();
    } catch (error) {
      this.message = error.message;
    }
    this.#waiting -= 1;
    if (!this.#waiting) this.busy = '';
    this.changed();
  }

  /** Do what needs no answer now, or after what is under way; an Error's sentence is the message. */
  atOnce(run) {
    if (this.busy) return this.work(this.busy, run);
    this.message = '';
    try {
      run();
    } catch (error) {
      this.message = error.message;
      this.changed();
    }
    return this.resting;
  }

  params(more = {}) {
    return { ...(this.reader ? { client_id: this.reader } : {}), ...(this.number > 1 ? { reading: this.number } : {}), ...more };
  }

  /** Run a task on STIR, maybe while its images still load; its label map lies where this page's does. */
  async ask(model, params = {}, regions = null, boneClicks = this.state.boneClicks) {
    const drawnRegions = regions && submission(regions, false);
    const label = drawnRegions?.names.length ? niftiOf(drawnRegions.data, this.labelmap.place()) : null;
    const sent = this.params(label ? { ...params, label_info: drawnRegions.names, normal_bone_clicks: boneClicks } : params);
    const answer = await api.infer(model, this.case.stir, sent, label);
    await this.drawable;
    this.labelmap.check(answer.labels);
    return answer;
  }

  // the voxels -----------------------------------------------------------------------------------------------------------

  /** Other voxels, and what else is so with them, where it is known with their numbers; a step that can be undone. */
  async put(cells, more, now = null) {
    this.history.note(this.cells, cells, this.state);
    this.#cells = cells;
    const version = this.#nextVersion();
    this.state = { ...this.state, ...more, version, ...(now ? { now, nowOf: version } : {}) };
    this.labelmap.write(seenOf(cells));
    await this.labelmap.show();
  }

  /** The same where the voxels at some places alone may differ, before the server has answered; it is asked then. */
  putAt(places, cells, more) {
    this.history.note(this.cells, cells, this.state, places);
    this.#show(cells, places);
    this.state = { ...this.state, ...more, version: this.#nextVersion() };
    this.touched();
    this.look(false);
  }

  #show(cells, places) {
    this.#cells = cells;
    this.labelmap.writeAt(places, (n) => seen(cells[n]));
  }

  /** The server's answer to the clicks that were drawn at once: where something else is left, that is drawn, and why is said. */
  #confirm({ left, now, messages }) {
    const { left: before, version } = this.state;
    if (differs(before, left)) {
      const predicted = this.cells;
      this.#cells = corrected(this, before, left);
      this.history.amend(predicted, this.#cells, (state) => ({ ...state, nowOf: -1 })); // measured anew once it is back
      this.labelmap.write(seenOf(this.#cells));
      this.message = [t('clean.other_answer'), ...messages].join(' ');
    }
    this.#tellNumbers({ ...this.state, left, isExpected: false, ...(now ? { now, nowOf: version } : {}) });
  }

  /** The server did not answer: everything is as it was at its last answer. */
  #takeBack({ message }) {
    let steps = 0;
    while (this.state.isExpected && this.history.canUndo) {
      this.#step(false);
      steps += 1;
    }
    if (this.state.isExpected) this.state = { ...this.state, isExpected: false }; // more steps than are remembered
    this.message = `${message} ${t('clean.taken_back', { count: steps })}`;
    this.#takenBack = this.message;
    this.touched();
    this.changed();
  }

  /** Draw at some places: a change for each cell; a step that can be undone, where one changes. */
  draw(places, change) {
    const [before, after] = [this.cells, this.#drawnAt(places, change)];
    const changed = places.filter((n) => before[n] !== after[n]);
    this.#show(after, places); // also what was shown before it was drawn
    if (!changed.length) return;
    this.history.note(before, after, this.state, changed);
    this.#noteByHand(before, after);
  }

  /** Show what `draw` would make of some places. */
  preview(places, change) {
    const after = this.#drawnAt(places, change);
    this.labelmap.writeAt(places, (n) => seen(after[n]));
  }

  /** Painted voxels in their own grade. */
  #drawnAt(places, change) {
    return graded(changedAt(this.cells, places, change), this.state.measured?.grades, this.both, places);
  }

  /** The map was changed by a tool of the viewer. */
  noteDrawn() {
    const [before, map] = [this.cells, this.labelmap.read()];
    if (isSeen(before, map)) return;
    const after = graded(drawn(before, map), this.state.measured?.grades, this.both);
    if (!this.history.note(before, after, this.state)) return;
    this.#cells = after;
    const seen = seenOf(after);
    if (differs(seen, map)) this.labelmap.write(seen);
    this.#noteByHand(before, after);
  }

  #noteByHand(before, after) {
    this.state = { ...this.state, isByHand: true, version: this.#nextVersion() };
    this.effort.strokes += 1;
    this.message = '';
    this.touched();
    this.look(regionsDiffer(before, after));
  }

  /** One step back, or with `redo` forward again. */
  undo(redo = false) {
    if (this.busy) return this.work(this.busy, () => this.#back(redo));
    return this.#back(redo);
  }

  #back(redo) {
    this.message = '';
    const before = this.cells;
    if (this.#step(redo)) {
      this.touched();
      this.look(regionsDiffer(before, this.cells));
    } else {
      this.changed();
    }
  }

  #step(redo) {
    const step = redo ? this.history.redo(this.cells, this.state) : this.history.undo(this.cells, this.state);
    if (!step) return false;
    this.state = step.state;
    this.#show(graded(step.map, step.state.measured?.grades, this.both, step.at), step.at);
    return true;
  }

  /** Voxels and state of a draft or a submission; nothing before it can be undone. */
  async restore(cells, state) {
    this.history.clear();
    this.#cells = graded(cells, state.measured?.grades, this.both);
    this.state = { ...NOTHING, version: this.#nextVersion(), nowOf: -1, ...state };
    this.labelmap.write(seenOf(this.#cells));
    await this.labelmap.show();
    this.look(true);
  }

  /** Yellow and red, or everything yellow. */
  showBoth(both) {
    this.both = both;
    this.#cells = graded(this.cells, this.state.measured?.grades, both);
    this.labelmap.write(seenOf(this.#cells));
    this.labelmap.setStyle(this.labelmap.chosen, both);
    this.changed();
  }

  // the numbers ----------------------------------------------------------------------------------------------------------

  /** Ask for the numbers of what is on screen, where they are not known, and for what normal bone makes of them. */
  look(isRegionChanged) {
    if (isRegionChanged) this.dispatchEvent(new Event('regions'));
    this.changed();
    return this.#numbers.settle();
  }

  /** Whether the numbers are those of something else than what is on screen. */
  get isBehind() {
    return this.state.wasShown && this.state.nowOf !== this.state.version;
  }

  /** Once the numbers are those of what is on screen; the server's sentence as an Error where there are none. */
  async evaluated() {
    this.#takenBack = null;
    await this.#numbers.settle();
    if (this.#takenBack) throw new Error(this.#takenBack);
    if (this.isBehind) throw new Error(this.numbersWhy);
  }

  /** What is on screen as it is sent: label map, its segments, and what the reader did. */
  sent() {
    const { data, names } = submission(this.cells, this.state.wasShown);
    const { measured, decisions, boneClicks } = this.state;
    const terms = { label_info: names, normal_bone_clicks: boneClicks };
    if (measured) {
      const { proposal = 'off', ...settings } = measured.options;
      const { automatic_id: automatic } = measured.facts;
      Object.assign(terms, { settings, decisions: { proposal, clicks: decisions.clicks, automatic_id: automatic } });
    }
    return { label: niftiOf(data, this.labelmap.place()), names, terms };
  }

  async #evaluated() {
    const { label, terms } = this.sent();
    return api.preview(this.case.stir, label, this.params(terms));
  }

  #tellNumbers(state, why = '') {
    Object.assign(this, { state, numbersWhy: why });
    this.changed();
  }

  hasRegion(index) {
    return this.drawnCells !== null && hasRegion(this.cells, index);
  }

  get hasDrawnRegion() {
    return this.hasRegion(BONE) || this.hasRegion(REGION);
  }

  // the viewer -----------------------------------------------------------------------------------------------------------

  jumpTo(lesion) {
    if (lesion) this.dispatchEvent(new CustomEvent('jump', { detail: this.labelmap.worldAt(lesion.voxel) }));
  }

  /** A voxel of either series as one of STIR. */
  onStir(series, voxel) {
    if (series === this.case.stir) return voxel;
    const volume = window.cornerstone.cache.getVolumes().find((one) => one.metadata.SeriesInstanceUID === series);
    return volume ? this.labelmap.voxelAt(volume.imageData.indexToWorld(voxel)) : voxel;
  }
}
