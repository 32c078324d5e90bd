/** One case being read: what the server answered, what the reader decided and drew. Changes are told as `change` events. */

import * as api from './api.js';
import { Decisions, slicesOfLesion } from './cleaning.js';
import { History } from './history.js';
import { clicked, graded, isRegionDrawn, merged, numbered, regionOf, submission, uncover, ungraded } from './labels.js';
import { niftiOf } from './nifti.js';
import { REGION } from './segments.js';

export class Reading extends EventTarget {
  history = new History();
  decisions = new Decisions();
  options = {};
  both = true;
  facts = null; // of the automatic result, with what is proposed for its lesions
  now = null; // of what is left after clicks
  grades = null; // the automatic result, in the numbers of this page
  region = null; // the disease region, also beneath other segments
  stockAnswer = null; // of MONAI Label's panel, on its way into the map, see stock.js
  wasShown = false; // whether VHI was seen
  submitted = null;
  busy = '';
  resting = Promise.resolve(); // once what it is busy with is done
  message = '';
  #shownTo = null; // who the server knows to have seen VHI with these options
  #left = null; // of the automatic result after clicks, in the numbers of this page

  #drawable; // when there is a label map to draw in

  constructor(found, labelmap, drawable, effort, reader) {
    super();
    Object.assign(this, { case: found, labelmap, effort, reader });
    this.#drawable = drawable;
  }

  /** Run some work, one at a time, and tell how it went. */
  #work(what, work) {
    if (!this.busy) this.resting = this.#run(what, work);
    return this.resting;
  }

  async #run(what, work) {
    Object.assign(this, { busy: what, message: '' });
    this.changed();
    try {
      await work();
    } catch (error) {
      this.message = error.message;
    }
    this.busy = '';
    this.changed();
  }

  changed() {
    this.dispatchEvent(new Event('change'));
  }

  #params(more = {}) {
    return { ...(this.reader ? { client_id: this.reader } : {}), ...more };
  }

  /** Run a task on STIR, maybe while its images still load; its label map lies where this page's does. */
  async #ask(model, params = {}) {
    const answer = await api.infer(model, this.case.stir, this.#params(params));
    await this.#drawable;
    this.labelmap.check(answer.labels);
    if (model === 'vhi') this.#shownTo = this.reader;
    return answer;
  }

  /** Show a region as the server finds it, to correct it. */
  showRegion(model) {
    return this.#work('Finding the region', async () => {
      const { facts, labels } = await this.#ask(model);
      if (model === 'disease_region') this.region = labels.data;
      await this.#put(merged(this.labelmap.read(), labels.data, facts.label_names, this.region));
      this.message = (facts.warnings ?? []).join(' ');
    });
  }

  /** Measure VHI from the regions in force; what was decided by clicks before starts anew. */
  measure() {
    return this.#work('Measuring VHI', async () => {
      const { proposal, ...settings } = this.options;
      const { facts, labels } = await this.#ask('vhi', { ...settings, show: 'both' });
      const grades = numbered(labels.data, facts.label_names);
      const map = merged(this.labelmap.read(), labels.data, facts.label_names, this.region);
      await this.#put(graded(map, grades, this.both));
      Object.assign(this, { facts, now: facts, grades, decisions: new Decisions(), submitted: null, wasShown: true });
      this.#left = ungraded(grades);
      if (proposal) {
        await this.#decide(this.decisions);
        this.facts = this.now;
      }
      this.jumpTo(this.facts.lesions[0]);
    });
  }

  /** Remove or restore the lesion at a voxel, in all its slices or in this one. */
  clean(what, voxel, scope = 'lesion') {
    if (!this.grades) {
      this.message = 'Measure VHI first: lesions are removed from it.';
      return this.changed();
    }
    const slices = slicesOfLesion(this.grades, this.labelmap.place().sizes, voxel);
    if (!slices.size) {
      this.message = 'There is no lesion of the automatic result here.';
      return this.changed();
    }
    return this.#work('Cleaning', () => this.#decide(this.decisions.with(what, slices, scope === 'slice' ? voxel[2] : null)));
  }

  async #decide(decisions) {
    const { facts, labels } = await this.#ask('vhi_clean', { ...this.options, ...decisions.params() });
    const left = numbered(labels.data, facts.label_names);
    const map = clicked(this.labelmap.read(), this.#left, left, this.grades, this.region);
    await this.#put(graded(map, this.grades, this.both));
    Object.assign(this, { decisions, now: facts, submitted: null });
    this.#left = left;
  }

  async #put(map) {
    this.history.note(this.labelmap.read(), map, this.#state());
    this.labelmap.write(map);
    await this.labelmap.show();
  }

  #state() {
    return { decisions: this.decisions, now: this.now, left: this.#left, facts: this.facts, grades: this.grades };
  }

  /** The map was changed by a stroke of brush, eraser or shape, or by MONAI Label's panel. */
  noteDrawn(byHand = true) {
    const change = this.labelmap.drawn();
    if (!change) return;
    const { before, after } = change;
    this.submitted = null;
    if (this.region || before.includes(REGION) || after.includes(REGION)) {
      this.region ??= regionOf(before);
      if (uncover(before, after, this.region)) this.labelmap.write(after);
      this.region = regionOf(after, this.region);
    }
    if (this.history.note(before, after, this.#state()) && byHand) {
      this.effort.strokes += 1;
      if (isRegionDrawn(before, after))
        this.message = 'Submit the region, then measure: VHI rests on regions that were handed in.';
    }
    this.changed();
  }

  /** What is on screen was drawn by MONAI Label's panel, which tells no numbers. */
  forgetNumbers() {
    Object.assign(this, { facts: null, now: null, grades: null, decisions: new Decisions(), submitted: null, wasShown: true });
    this.#left = null;
    this.message = "MONAI Label's panel drew this. Its numbers and lesions are told by Measure VHI, or once it is submitted.";
    this.changed();
  }

  undo() {
    const step = this.history.back(this.labelmap.read());
    if (!step) return;
    this.labelmap.write(step.map);
    const { left, ...state } = step.state;
    Object.assign(this, state);
    this.#left = left;
    if (this.region) this.region = regionOf(step.map, this.region);
    this.changed();
  }

  /** Yellow and red, or everything yellow. */
  showBoth(both) {
    this.both = both;
    this.labelmap.write(graded(this.labelmap.read(), this.grades, both));
    this.changed();
  }

  jumpTo(lesion) {
    if (lesion) this.dispatchEvent(new CustomEvent('jump', { detail: this.labelmap.worldAt(lesion.voxel) }));
  }

  /** Hand in what is on screen; the answer is that of the report. */
  submit(rating) {
    return this.#work('Submitting', async () => {
      const { data, names } = submission(this.labelmap.read(), this.wasShown);
      if (!names.length) return this.#rate(rating);
      // with which options a reader saw VHI is what the submission is measured with
      if (this.facts && this.#shownTo !== this.reader) await this.#ask('vhi', { ...this.options, show: 'both' });
      const terms = { label_info: names, effort: this.effort.told(), ...(rating ? { rating } : {}) };
      const made = await api.submit(this.case.stir, niftiOf(data, this.labelmap.place()), this.#params(terms));
      const numbers = made.measured ? await api.report(this.case.stir, made.reader) : null;
      this.submitted = { ...made, numbers };
      return undefined;
    });
  }

  /** A rating alone, of a case of which nothing was seen or drawn. */
  async #rate(rating) {
    if (!rating) throw new Error('There is nothing to submit: measure VHI, draw a region, or rate the automatic one.');
    const made = await api.rate(this.case.stir, rating, this.#params());
    this.submitted = { ...made, report: null, messages: [`Rated ${made.rating}.`] };
  }

  next() {
    return this.#work('Looking for the next case', async () => {
      const sample = await api.nextSample('first', this.#params());
      if (!sample.StudyInstanceUID) throw new Error('There is no further case for you.');
      window.location.assign(`/ohif/monai-label?StudyInstanceUIDs=${sample.StudyInstanceUID}`);
    });
  }

  /** A voxel of either series as one of STIR. */
  onStir(series, voxel) {
    if (series === this.case.stir) return voxel;
    const volume = window.cornerstone.cache.getVolumes().find((one) => one.metadata.SeriesInstanceUID === series);
    return volume ? this.labelmap.voxelAt(volume.imageData.indexToWorld(voxel)) : voxel;
  }
}
