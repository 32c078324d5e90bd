/** What was begun or handed in, back on screen: measured again as it was measured, with its clicks and every voxel as it was. */

import { cellsOf, inflammationDiffers, packed, unpacked } from './cells.js';
import { measurement } from './measuring.js';
import { mapOfRuns, runsOf } from './runs.js';

/** What of a reading a draft keeps. */
export function kept(reading) {
  const { measured, decisions, wasShown, isByHand, boneClicks } = reading.state;
  const { options, rating, both, effort } = reading;
  const state = {
    ...{ options, rating, both, wasShown, isByHand, effort: effort.facts() },
    measured: measured?.options ?? null,
    clicks: decisions.clicks,
    boneClicks,
    measuredBoneClicks: measured?.boneClicks ?? [],
  };
  return { state, map: runsOf(packed(reading.cells, measured?.regions)) };
}

/** Go on with a draft; whether it is on screen then. */
export async function goOn(reading, { state, map }) {
  let isDone = false;
  await reading.work('opening', async () => {
    await reading.drawable;
    const { cells, regions } = unpacked(mapOfRuns(map, reading.cells.length));
    const { options, rating, both, effort } = state;
    reading.effort.goOn(effort);
    await draw(reading, cells, state, regions);
    Object.assign(reading, { options, rating, both, isUnsent: true });
    isDone = true;
  });
  return isDone;
}

/** Draw a submission. */
export function reopen(reading, made) {
  return reading.work('opening', async () => {
    await reading.drawable;
    reading.labelmap.check(made.label);
    const { proposal, clicks = [] } = made.decisions ?? {};
    const options = { ...made.settings, ...(proposal && proposal !== 'off' ? { proposal } : {}) };
    const wasShown = made.label_info.some(({ name }) => name === 'inflammation');
    const state = { measured: wasShown ? options : null, clicks, wasShown, isByHand: true };
    await draw(reading, cellsOf(made.label.data, made.label_info), state, null, wasShown ? { now: made.result } : {});
    const { vhi } = await reading.drawable;
    Object.assign(reading, { options: chosen(options, vhi.config), rating: made.rating ?? '', isUnsent: false });
    reading.submitted = { ...made, version: reading.state.version, numbers: made.result, report: made.reports.html };
  });
}

/** Those options that are not the default ones. */
function chosen(options, config) {
  const isDefault = ([name, value]) => String([config[name]].flat()[0]) === String(value);
  return Object.fromEntries(Object.entries(options).filter((one) => one[0] in config && !isDefault(one)));
}

async function draw(reading, cells, drawn, regions, more = {}) {
  const { measured, clicks, wasShown, isByHand, boneClicks = [], measuredBoneClicks = [] } = drawn;
  const found = measured ? await measurement(reading, measured, regions, clicks, measuredBoneClicks) : { state: {} };
  // the numbers of an answer that leaves other voxels than these are not theirs
  const isOther = Boolean(found.labels) && inflammationDiffers(cells, found.labels);
  await reading.restore(cells, { ...found.state, wasShown, isByHand: isByHand || isOther, boneClicks, ...more });
}
