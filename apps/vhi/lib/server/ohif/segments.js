/** Segments by name: everything is routed by these names; the numbers are those of this page's label map alone. */

import { t } from './texts.js';

export const SEGMENTATION_ID = '1'; // the one that MONAI Label's panel writes to

// red, green, blue, and how much a region covers of the image beneath it
export const SEGMENTS = [
  { index: 1, name: 'disease region', color: [70, 130, 220, 80] },
  { index: 2, name: 'normal bone', color: [60, 190, 110, 120] },
  { index: 3, name: 'inflammation', color: [255, 220, 0, 255] },
  { index: 4, name: 'inflammation (conservative)', color: [230, 30, 30, 255] },
  { index: 5, name: 'inflammation (proposed to remove)', color: [200, 90, 255, 255] },
];

export const REGION = 1;
export const BONE = 2;
export const INFLAMMATION = 3;
export const CONSERVATIVE = 4;
export const PROPOSED = 5;

/** Those that are drawn by hand. */
export const DRAWN = [INFLAMMATION, REGION, BONE];

/** What those are called on screen; stored and sent are the names alone. */
export const SEGMENT_TEXTS = { [INFLAMMATION]: t('segment.inflammation'), [REGION]: t('segment.region'), [BONE]: t('segment.bone') };

export const isInflammation = (index) => index >= INFLAMMATION && index <= PROPOSED;

/** The number of a segment on this page, by its name; undefined for names that mean nothing here. */
export function indexOf(name) {
  return SEGMENTS.find((one) => one.name === name)?.index;
}

/** Segments as the viewer's segmentation service takes them, by number. */
export function viewerSegments() {
  return Object.fromEntries(
    SEGMENTS.map(({ index, name, color }) => [
      index,
      { segmentIndex: index, label: name, color, active: index === INFLAMMATION, locked: false },
    ]),
  );
}

const COLOURS = 64; // the viewer has its own for what is behind them

/** Colours by number, as the viewer takes them; segments that a reader adds get some colour. */
export function colourTable() {
  const table = Array.from({ length: COLOURS }, (_, n) => [(n * 97) % 256, (n * 57 + 128) % 256, (n * 151) % 256, 255]);
  table[0] = [0, 0, 0, 0];
  SEGMENTS.forEach(({ index, color }) => (table[index] = color));
  return table;
}
