/** What drawing may paint: with the switch, inflammation only where STIR is at or above the threshold. */

import { voxelOf } from './drawing.js';
import { INFLAMMATION } from './segments.js';
import { valueAt } from './slices.js';
import { t } from './texts.js';

/** The sensitive threshold as the panel shows it; undefined before a measurement. */
export const thresholdOf = (reading) => reading.now?.thresholds?.sensitive;

/** Why a segment cannot be painted now; none when it can. */
export function whyNotPainted({ reading, isThresholded }, index) {
  if (!isThresholded || index !== INFLAMMATION || thresholdOf(reading) !== undefined) return '';
  return t('draw.no_threshold');
}

/** Whether a segment may be painted on the voxel at a place. */
export function paintable({ reading, isThresholded }, index) {
  if (!isThresholded || index !== INFLAMMATION) return () => true;
  const [threshold, { labelmap }] = [thresholdOf(reading), reading];
  const isStir = ({ metadata, volumeId }) => metadata.SeriesInstanceUID === reading.case.stir && volumeId !== labelmap.volume.volumeId;
  const stir = window.cornerstone.cache.getVolumes().find(isStir);
  const { sizes } = labelmap.place();
  return (n) => valueAt(stir, labelmap.worldAt(voxelOf(sizes, n))) >= threshold;
}
