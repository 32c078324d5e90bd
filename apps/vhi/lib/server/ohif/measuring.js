/** VHI of the open case: measured from what is drawn, and cleaned by clicks. What is on screen changes once all of it is answered. */

import { answered, clicked, graded, regionsDiffer, regionsOf } from './cells.js';
import { Decisions } from './cleaning.js';
import { numbered, ungraded } from './labels.js';
import { Lesions } from './lesions.js';

/** Measure VHI, with the regions that are drawn; what was decided by clicks before starts anew. */
export function measure(reading) {
  return reading.work('Measuring VHI', async () => {
    const regions = reading.hasDrawnRegion ? regionsOf(reading.cells) : null;
    const { state, labels, names } = await measurement(reading, { ...reading.options }, regions);
    const cells = graded(answered(reading.cells, labels, names), state.measured.grades, reading.both);
    await reading.put(cells, state, known(reading, state));
    reading.look(false);
    if (reading.isUnsent) reading.touched();
    reading.jumpTo(state.measured.facts.lesions[0]);
  });
}

/** Ask for a measurement, with some clicks on it: the state with it, and the label map that it shows. */
export async function measurement(reading, options, regions, clicks = []) {
  const { proposal, ...settings } = options;
  const first = await reading.ask('vhi', { ...settings, show: 'both' }, regions);
  const grades = numbered(first.labels.data, first.facts.label_names);
  const measured = { facts: first.facts, grades, options, regions };
  measured.lesions = new Lesions(grades, reading.labelmap.place().sizes, first.facts.lesions);
  const decisions = Decisions.of(clicks, measured.lesions);
  const state = { measured, decisions, left: ungraded(grades), now: first.facts, wasShown: true, isByHand: false };
  if (!proposal && !decisions.size) return { state, labels: grades, names: Object.keys(first.facts.label_names) };
  const { facts, left } = await cleaned(reading, measured, decisions);
  if (proposal) measured.facts = facts;
  const labels = clicked(grades, state.left, left, grades);
  return { state: { ...state, left, now: facts }, labels, names: [...Object.keys(facts.label_names), 'inflammation'] };
}

async function cleaned(reading, measured, decisions) {
  const { facts, labels } = await reading.ask('vhi_clean', { ...measured.options, ...decisions.params() }, measured.regions);
  return { facts, left: numbered(labels.data, facts.label_names) };
}

/** The numbers of an answer, where they are those of what is on screen with it: nothing else was drawn. */
function known(reading, { measured, now, isByHand }) {
  const isOther = reading.hasDrawnRegion && (!measured.regions || regionsDiffer(reading.cells, measured.regions));
  return now.result_id && !isByHand && !isOther ? now : null;
}

/** Remove or restore the lesion at a voxel, in all its slices or in this one. */
export function clean(reading, what, voxel, scope = 'lesion') {
  return reading.work('Cleaning', async () => {
    const { measured } = reading.state;
    if (!measured) throw new Error('Measure VHI first: lesions are removed from it.');
    if (!measured.lesions.at(voxel)) throw new Error('There is no lesion of the automatic result here.');
    const decisions = reading.state.decisions.with(what, voxel, scope, measured.lesions);
    const { facts, left } = await cleaned(reading, measured, decisions);
    const cells = clicked(reading.cells, reading.state.left, left, measured.grades);
    const state = { ...reading.state, decisions, left, now: facts };
    await reading.put(graded(cells, measured.grades, reading.both), { decisions, left }, known(reading, state));
    reading.touched();
    reading.look(false);
  });
}

const REGIONS = { disease_region: 'Finding the disease region', normal_bone: 'Finding normal bone' };

/** Draw a region as the server proposes it, to correct it or to put it back. */
export function showRegion(reading, model) {
  return reading.work(REGIONS[model], async () => {
    const { facts, labels } = await reading.ask(model);
    const answer = numbered(labels.data, facts.label_names);
    await reading.put(answered(reading.cells, answer, Object.keys(facts.label_names)), {});
    reading.touched();
    reading.look(true);
    reading.message = (facts.warnings ?? []).join(' ');
  });
}
