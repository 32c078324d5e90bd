/**
 * Images as large as their places allow. The viewer fits the box around the volume along the patient's axes, which is larger than slices
 * that lie aslant in it, and leaves a margin; so a square image filled 85% of the width.
 */

import { cross, volumeOf } from './linked_views.js';

const MARGIN = 1.01;

/** Fit the image that a viewport shows, now and after every reset and change of size. */
export function fit(viewport) {
  if (!viewport.isFitting) {
    const plain = viewport._getWorldDistanceViewUpAndViewRight.bind(viewport);
    viewport._getWorldDistanceViewUpAndViewRight = (bounds, viewUp, normal) => extentsOf(viewport, viewUp, normal) ?? plain(bounds, viewUp, normal);
    Object.assign(viewport, { isFitting: true, insetImageMultiplier: MARGIN });
  }
  viewport.resetCamera();
}

/** How wide and high the volume is as it is looked at [mm]; null while there is none. */
function extentsOf(viewport, up, normal) {
  const volume = volumeOf(viewport);
  return volume && { widthWorld: extentAlong(volume, cross(up, normal)), heightWorld: extentAlong(volume, up) };
}

export function extentAlong({ dimensions, spacing, direction }, along) {
  const edge = (axis) => [...direction].slice(3 * axis, 3 * axis + 3).reduce((sum, one, n) => sum + one * along[n], 0);
  return [0, 1, 2].reduce((sum, axis) => sum + Math.abs(edge(axis)) * spacing[axis] * dimensions[axis], 0);
}
