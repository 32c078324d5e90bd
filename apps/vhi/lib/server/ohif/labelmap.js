/** The label map in the viewer: it lies on STIR and is shown in every viewport of the case, whichever series that shows. */

import { INFLAMMATION, SEGMENTATION_ID, colourTable, viewerSegments } from './segments.js';

const FARTHEST_MM = 0.5;

export class Labelmap {
  #services;
  #colours = null;
  plainWrite = null; // set where MONAI Label's panel has its own way of writing, see stock.js

  constructor(services) {
    this.#services = services;
  }

  /** Make it for a series of the viewer; it is seen from `show` on. */
  async create(displaySet) {
    const { config, state } = window.cornerstoneTools.segmentation;
    const { utilities, volumeLoader } = window.cornerstone;
    const { segmentationService } = this.#services;
    const [segmentationId, told] = [SEGMENTATION_ID, { segments: viewerSegments(), label: 'Segmentations' }];
    await segmentationService.createLabelmapForDisplaySet(displaySet, { segmentationId, ...told });
    // MONAI Label's panel looks for the segments here
    segmentationService.addOrUpdateSegmentation({ segmentationId, representation: { type: 'Labelmap' }, config: told });
    const { Labelmap: data } = state.getSegmentation(SEGMENTATION_ID).representationData;
    data.volumeId = utilities.uuidv4();
    await volumeLoader.createAndCacheVolumeFromImages(data.volumeId, data.imageIds);
    const style = { type: 'Labelmap' };
    config.style.setStyle(style, { ...config.style.getStyle(style), fillAlpha: 0.35, outlineWidth: 2 });
  }

  get volume() {
    return this.#services.segmentationService.getLabelmapVolume(SEGMENTATION_ID) ?? null;
  }

  /** Show it, in its colours, in the viewports that do not show it yet; the viewer forgets it where another series is loaded. */
  async show() {
    const { segmentationService, cornerstoneViewportService } = this.#services;
    for (const viewportId of this.viewportIds()) {
      const viewport = cornerstoneViewportService.getCornerstoneViewport(viewportId);
      if (!viewport || !(viewport.getAllVolumeIds?.().length > 0)) continue;
      const specifier = { segmentationId: SEGMENTATION_ID, type: 'Labelmap' };
      const isShown = segmentationService.getSegmentationRepresentations(viewportId, specifier).length > 0;
      if (!isShown) {
        await segmentationService.addSegmentationRepresentation(viewportId, specifier);
        segmentationService.setActiveSegmentation(viewportId, SEGMENTATION_ID);
      }
      this.#colour(viewportId, specifier);
    }
  }

  /** One table of colours for all viewports; setting them one by one has everything drawn again for each. */
  #colour(viewportId, specifier) {
    const { config, state } = window.cornerstoneTools.segmentation;
    this.#colours ??= config.color.addColorLUT(colourTable());
    if (state.getSegmentationRepresentations(viewportId, specifier)[0]?.colorLUTIndex === this.#colours) return;
    config.color.setColorLUT(viewportId, SEGMENTATION_ID, this.#colours);
  }

  viewportIds() {
    return [...this.#services.viewportGridService.getState().viewports.keys()];
  }

  /** A copy of the voxels, first axis fastest, as the server's NRRD and NIfTI have them. */
  read() {
    return Uint8Array.from(this.volume.voxelManager.getCompleteScalarDataArray());
  }

  write(data) {
    const { voxelManager } = this.volume;
    (this.plainWrite ?? voxelManager.setCompleteScalarDataArray.bind(voxelManager))(data);
    window.cornerstoneTools.segmentation.triggerSegmentationEvents.triggerSegmentationDataModified(SEGMENTATION_ID);
  }

  /** Where it lies, as `niftiOf` takes it. */
  place() {
    const { dimensions, spacing, direction, origin } = this.volume;
    const directions = [0, 1, 2].map((axis) => [0, 1, 2].map((n) => direction[3 * axis + n] * spacing[axis]));
    return { sizes: [...dimensions], directions, origin: [...origin] };
  }

  /** Refuse an answer that lies elsewhere: its voxels would be drawn at the wrong place. */
  check(answer) {
    const place = this.place();
    const far = farthest(place, answer);
    if (answer.sizes.join() !== place.sizes.join() || far > FARTHEST_MM) {
      throw new Error(`The answer lies ${far.toFixed(1)} mm from this series and was not drawn; open the case anew.`);
    }
  }

  voxelAt(world) {
    return [...this.volume.imageData.worldToIndex(world)].map(Math.round);
  }

  worldAt(voxel) {
    return [...this.volume.imageData.indexToWorld(voxel)];
  }

  /** What the viewer counts a slice as, from 1: it counts along the direction of view. */
  numberOf(slice) {
    const { cornerstoneViewportService } = this.#services;
    const viewport = cornerstoneViewportService.getCornerstoneViewport(this.viewportIds()[0]);
    const { sizes, directions } = this.place();
    const normal = viewport?.getCamera().viewPlaneNormal ?? directions[2];
    const isAlong = directions[2].reduce((sum, one, n) => sum + one * normal[n], 0) > 0;
    return isAlong ? slice + 1 : sizes[2] - slice;
  }

  get active() {
    const segments = this.#services.segmentationService.getSegmentation(SEGMENTATION_ID)?.segments ?? {};
    return Object.values(segments).find((one) => one.active)?.segmentIndex ?? INFLAMMATION;
  }

  /** Draw this segment from now on. */
  activate(index) {
    this.#services.segmentationService.setActiveSegment(SEGMENTATION_ID, index);
  }
}

/** The largest distance between corresponding corners of two grids [mm]. */
export function farthest(one, other) {
  const corner = ({ sizes, directions, origin }, at) =>
    [0, 1, 2].map((n) => origin[n] + at.reduce((sum, end, axis) => sum + end * (sizes[axis] - 1) * directions[axis][n], 0));
  const ends = [0, 1];
  const corners = ends.flatMap((i) => ends.flatMap((j) => ends.map((k) => [i, j, k])));
  return Math.max(...corners.map((at) => Math.hypot(...corner(one, at).map((mm, n) => mm - corner(other, at)[n]))));
}
