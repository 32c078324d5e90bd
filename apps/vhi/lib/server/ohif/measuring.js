/** VHI of the open case: measured from what is drawn, and cleaned by clicks. What is on screen changes once all of it is answered. */

import { answered, clicked, graded, hasRegion, regionsDiffer, regionsOf } from './cells.js';
import { Decisions, touchedBy } from './cleaning.js';
import { takenBy, voxelsTaken } from './gestures.js';
import { numbered, ungraded } from './labels.js';
import { Lesions } from './lesions.js';
import { INFLAMMATION, REGION } from './segments.js';
import { t } from './texts.js';

/** Measure VHI, with the regions that are drawn; what was decided by clicks before starts anew. */
export function measure(reading) {
  return reading.work('measuring', async () => {
    const regions = reading.hasDrawnRegion ? regionsOf(reading.cells) : null;
    const { state, labels, names } = await measurement(reading, { ...reading.options }, regions);
    const cells = graded(answered(reading.cells, labels, names), state.measured.grades, reading.both);
    await reading.put(cells, state, known(reading, state));
    reading.look(false);
    if (reading.isUnsent) reading.touched();
    const isLeft = ({ keep }) => keep !== false || state.measured.options.proposal !== 'apply';
    reading.jumpTo(state.measured.facts.lesions.find(isLeft));
  });
}

/** Ask for a measurement, with some clicks on it: the state with it, and the label map that it shows. */
export async function measurement(reading, options, regions, clicks = [], boneClicks = reading.state.boneClicks) {
  const { proposal, ...settings } = options;
  const first = await reading.ask('vhi', { ...settings, show: 'both' }, regions, boneClicks);
  const grades = numbered(first.labels.data, first.facts.label_names);
  const measured = { facts: first.facts, grades, options, regions, boneClicks };
  measured.lesions = new Lesions(grades, reading.labelmap.place().sizes, first.facts.lesions);
  const decisions = Decisions.of(clicks, measured.lesions);
  const state = { measured, decisions, left: ungraded(grades), isExpected: false, now: first.facts, wasShown: true, isByHand: false };
  if (!proposal && !decisions.size) return { state, labels: grades, names: Object.keys(first.facts.label_names) };
  const { facts, left } = await cleaned(reading, measured, decisions);
  if (proposal) measured.facts = facts;
  const labels = clicked(grades, state.left, left, grades);
  return { state: { ...state, measured: inPieces(measured, facts.pieces), left, now: facts }, labels, names: [...Object.keys(facts.label_names), 'inflammation'] };
}

async function cleaned(reading, measured, decisions) {
  const { facts, labels } = await reading.ask('vhi_clean', { ...measured.options, ...decisions.params() }, measured.regions, measured.boneClicks);
  return { facts, left: numbered(labels.data, facts.label_names) };
}

/** The numbers of an answer, where they are those of what is on screen with it: nothing else was drawn. */
function known(reading, { measured, now, isByHand }) {
  const isOther = reading.hasDrawnRegion && (!measured.regions || regionsDiffer(reading.cells, measured.regions));
  return now.result_id && !isByHand && !isOther ? now : null;
}

/** Remove or restore the lesion at a voxel, in all its slices or in this one. */
export const clean = (reading, what, voxel, scope = 'lesion') => decide(reading, { what, scope, voxel });

/** A gesture on lesions: drawn at once, and the server's answer confirms it. */
export function decide(reading, gesture) {
  return reading.atOnce(() => {
    const { measured, left: before, decisions } = reading.state;
    if (!measured) throw new Error(t('clean.measure_first'));
    const { lesions } = measured;
    const taken = takenBy(gesture, lesions);
    if (!taken.length) throw new Error(gesture.voxel ? t('clean.none_here') : t('clean.none_there'));
    const left = new Uint8Array(before);
    const places = new Set();
    const become = (value, voxels) => {
      for (const n of voxels) {
        left[n] = value;
        places.add(n);
      }
    };
    if (gesture.what === 'only') lesions.ids.forEach((id) => become(0, lesions.voxelsOf(id)));
    taken.forEach((id) => become(gesture.what === 'remove' ? 0 : INFLAMMATION, voxelsTaken(gesture, id, lesions)));
    const more = { decisions: decisions.with(gesture, touchedBy(gesture, taken, lesions)), left, isExpected: true };
    reading.putAt(places, clicked(reading.cells, before, left, gradesShown(reading), places), more);
  });
}

/** Split a lesion: the server finds its pieces, which then are lesions of the list; a step that can be undone. */
export function split(reading, gesture) {
  return reading.work('splitting', async () => {
    const { measured, decisions: before } = reading.state;
    if (!measured) throw new Error(t('split.measure_first'));
    const decisions = before.with({ what: 'split', ...gesture }, []);
    const { facts } = await cleaned(reading, measured, decisions);
    if (facts.pieces.length === measured.lesions.pieces) throw new Error(facts.without_effect.at(-1));
    reading.putAt([], reading.cells, { measured: inPieces(measured, facts.pieces), decisions, isExpected: true });
  });
}

/** A measurement with the pieces of its lesions in their place, each with what was proposed for the lesion. */
function inPieces(measured, pieces) {
  if (!pieces.length) return measured;
  const whole = measured.whole ?? measured.facts.lesions;
  const listed = whole.flatMap((one) => {
    const own = pieces.filter(({ of }) => of === one.id);
    return own.length ? own.map((piece) => ({ ...one, ...piece, runs: undefined })) : [one];
  });
  return { ...measured, whole, facts: { ...measured.facts, lesions: listed }, lesions: measured.lesions.inPieces(listed, pieces) };
}

/** The grades that voxels come back in: all yellow where both grades are shown alike. */
const gradesShown = ({ state: { measured }, both }) => (both ? measured.grades : { length: 0 });

/** What the server makes of the clicks: what is left, what it says, and its numbers where they are those of what is on screen. */
export async function confirmed(reading, { measured, decisions, isByHand }) {
  const { facts, left } = await cleaned(reading, measured, decisions);
  return { left, now: known(reading, { measured, now: facts, isByHand }), messages: facts.messages ?? [] };
}

/** The voxels on screen once an answer says that something else is left than was expected. */
export const corrected = (reading, before, left) => clicked(reading.cells, before, left, gradesShown(reading));

/** Grow normal bone from a click and those before it; undo takes back the click. */
export function growBone(reading, voxel) {
  return reading.work('growing', async () => {
    const boneClicks = [...reading.state.boneClicks, voxel];
    const regions = hasRegion(reading.cells, REGION) ? regionsOf(reading.cells) : null;
    const { facts, labels } = await reading.ask('normal_bone_clicks', { foreground: boneClicks }, regions);
    const answer = numbered(labels.data, facts.label_names);
    await reading.put(answered(reading.cells, answer, Object.keys(facts.label_names)), { boneClicks });
    reading.touched();
    reading.look(true);
    reading.message = '';
  });
}

/** Draw a region as the server proposes it, to correct it or to put it back. */
export function showRegion(reading, model) {
  return reading.work('finding', async () => {
    const { facts, labels } = await reading.ask(model);
    const answer = numbered(labels.data, facts.label_names);
    await reading.put(answered(reading.cells, answer, Object.keys(facts.label_names)), model === 'normal_bone' ? { boneClicks: [] } : {});
    reading.touched();
    reading.look(true);
    reading.message = (facts.warnings ?? []).join(' ');
  });
}
