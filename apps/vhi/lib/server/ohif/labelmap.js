/** The label map in the viewer: it lies on STIR and is shown in every viewport of the case, whichever series that shows. */

import { CONSERVATIVE, INFLAMMATION, PROPOSED, SEGMENTATION_ID, colourTable, viewerSegments } from './segments.js';
import { setColoursAtOnce } from './label_colours.js';
import { sketch } from './sketch.js';
import { t } from './texts.js';
import { differs } from './words.js';

const FARTHEST_MM = 0.5;
const LEAST_OPACITY = 15; // of red, which is filled also where all else is outlined alone [%]

export class Labelmap {
  #services;
  #colours = null;
  #as;
  chosen;
  isIn = () => true; // whether it is shown in a viewport, by its id
  #isGraded = true;
  #isVisible = true;
  #unreported = new Set(); // slices that were written, and that the viewer is notified of after the next frame
  isWriting = false; // this page, and no tool of the viewer

  /**
   * @param {{opacity: number, isFilled: boolean}} chosen how it is drawn
   * @param {{id: string, segments: object, colours: number[][]}} as under which id and with which segments, if not those of a reading
   */
  constructor(services, chosen, as = { id: SEGMENTATION_ID, segments: viewerSegments(), colours: colourTable() }) {
    this.#services = services;
    this.chosen = chosen;
    this.#as = as;
  }

  /** Make it for a series of the viewer; it is seen from `show` on. */
  async create(displaySet) {
    const { state } = window.cornerstoneTools.segmentation;
    const { utilities, volumeLoader } = window.cornerstone;
    const { segmentationService } = this.#services;
    const [segmentationId, config] = [this.#as.id, { segments: this.#as.segments, label: 'Segmentations' }];
    await segmentationService.createLabelmapForDisplaySet(displaySet, { segmentationId, ...config });
    // MONAI Label's panel looks for the segments here
    segmentationService.addOrUpdateSegmentation({ segmentationId, representation: { type: 'Labelmap' }, config });
    const { Labelmap: data } = state.getSegmentation(this.#as.id).representationData;
    data.volumeId = utilities.uuidv4();
    await volumeLoader.createAndCacheVolumeFromImages(data.volumeId, data.imageIds);
    this.#style(this.chosen);
  }

  #style({ opacity, isFilled }) {
    const { style } = window.cornerstoneTools.segmentation.config;
    const isReading = this.#as.id === SEGMENTATION_ID;
    const type = { type: 'Labelmap', ...(isReading ? {} : { segmentationId: this.#as.id }) };
    const alphas = { fillAlpha: isFilled ? opacity / 100 : 0, outlineOpacity: 1, outlineWidth: 2, renderFill: isFilled };
    // of two that are shown together the viewer calls one inactive
    const both = isReading ? alphas : { ...alphas, renderOutline: !isFilled, ...inactive({ ...alphas, renderOutline: !isFilled }) };
    style.setStyle(type, { ...style.getStyle(type), ...both });
    if (!isReading) return;
    // who does not tell yellow from red: of two grades the red one alone is filled
    const isOutlined = this.#isGraded || !isFilled;
    const fill = (segmentIndex, share) =>
      style.setStyle({ ...type, segmentationId: this.#as.id, segmentIndex }, { renderFill: share > 0, fillAlpha: share / 100 });
    for (const segmentIndex of [INFLAMMATION, PROPOSED]) fill(segmentIndex, isOutlined ? 0 : opacity);
    fill(CONSERVATIVE, Math.max(isFilled ? opacity : 0, LEAST_OPACITY));
  }

  /** How opaque the colours are [%], and whether they fill what they outline; and whether both grades are drawn. */
  setStyle(chosen, isGraded = this.#isGraded) {
    this.#isGraded = isGraded;
    this.#style(chosen);
    this.#tellWritten([0]);
  }

  /** Null before it is made; the viewer's service knows no answer for that. */
  get volume() {
    const { segmentationService } = this.#services;
    return segmentationService.getSegmentation(this.#as.id) ? (segmentationService.getLabelmapVolume(this.#as.id) ?? null) : null;
  }

  /** Show it, in its colours, in the viewports that do not show it yet; the viewer forgets it where another series is loaded. */
  async show() {
    const { segmentationService, cornerstoneViewportService } = this.#services;
    for (const viewportId of this.viewportIds()) {
      const viewport = cornerstoneViewportService.getCornerstoneViewport(viewportId);
      if (!viewport || !(viewport.getAllVolumeIds?.().length > 0)) continue;
      const specifier = { segmentationId: this.#as.id, type: 'Labelmap' };
      const isShown = segmentationService.getSegmentationRepresentations(viewportId, specifier).length > 0;
      if (!isShown) {
        // else the viewer makes a table of 256 colours first
        segmentationService._segmentationIdToColorLUTIndexMap?.set(this.#as.id, this.#colourIndex());
        const added = segmentationService.addSegmentationRepresentation(viewportId, specifier);
        setColoursAtOnce(viewportId, this.#as.id);
        await added;
        setColoursAtOnce(viewportId, this.#as.id);
        segmentationService.setActiveSegmentation(viewportId, this.#as.id);
      }
      this.#colour(viewportId, specifier);
    }
  }

  /** Take it out of a viewport. */
  hideIn(viewportId) {
    this.#services.segmentationService.removeSegmentationRepresentations(viewportId, { segmentationId: this.#as.id, type: 'Labelmap' });
  }

  /** One table of colours for all viewports; setting them one by one has everything drawn again for each. */
  #colour(viewportId, specifier) {
    const { config, state } = window.cornerstoneTools.segmentation;
    if (state.getSegmentationRepresentations(viewportId, specifier)[0]?.colorLUTIndex === this.#colourIndex()) return;
    config.color.setColorLUT(viewportId, this.#as.id, this.#colourIndex());
  }

  #colourIndex() {
    this.#colours ??= window.cornerstoneTools.segmentation.config.color.addColorLUT(this.#as.colours);
    return this.#colours;
  }

  viewportIds() {
    return [...this.#services.viewportGridService.getState().viewports.keys()].filter((id) => this.isIn(id));
  }

  /** Show or hide it in all viewports. */
  setVisible(isVisible) {
    this.#isVisible = isVisible;
    const { visibility } = window.cornerstoneTools.segmentation.config;
    const specifier = { segmentationId: this.#as.id, type: 'Labelmap' };
    for (const viewportId of this.viewportIds()) {
      visibility.setSegmentationRepresentationVisibility(viewportId, specifier, isVisible);
    }
  }

  /** A copy of the voxels, first axis fastest, as the server's NRRD and NIfTI have them. */
  read() {
    return new Uint8Array(this.volume.voxelManager.getCompleteScalarDataArray());
  }

  /** All voxels. Slices that stay as they are are left alone; the viewer's own way looks for the largest value of each besides. */
  write(data) {
    const { dimensions, imageIds, voxelManager } = this.volume;
    const inSlice = dimensions[0] * dimensions[1];
    const written = [];
    imageIds.forEach((id, slice) => {
      const held = window.cornerstone.cache.getImage(id).voxelManager.getScalarData();
      const wanted = data.subarray(slice * inSlice, (slice + 1) * inSlice);
      if (!differs(held, wanted)) return;
      held.set(wanted);
      voxelManager.modifiedSlices.add(slice);
      written.push(slice);
    });
    voxelManager.boundsIJK = dimensions.map((size) => [0, size - 1]);
    this.#tellWritten(written.length ? written : [0]); // of none the viewer would send all
  }

  /** Write some voxels alone; they are seen in the next frame, and only their slices go to the graphics card, after it. */
  writeAt(places, valueAt) {
    const { dimensions, voxelManager } = this.volume;
    const inSlice = dimensions[0] * dimensions[1];
    const isPlanned = this.#unreported.size > 0;
    for (const n of places) {
      voxelManager.setAtIndex(n, valueAt(n));
      this.#unreported.add(Math.floor(n / inSlice));
    }
    if (!this.#unreported.size) return;
    this.#sketch(places, valueAt);
    if (!isPlanned) requestAnimationFrame(() => setTimeout(() => this.#tellUntold()));
  }

  #sketch(places, valueAt) {
    for (const id of this.#isVisible ? this.viewportIds() : []) {
      const viewport = this.#services.cornerstoneViewportService.getCornerstoneViewport(id);
      if (viewport) sketch(viewport, this, places, valueAt);
    }
  }

  #tellUntold() {
    const slices = [...this.#unreported];
    this.#unreported.clear();
    if (this.volume) this.#tellWritten(slices);
  }

  #tellWritten(slices) {
    const { triggerSegmentationDataModified } = window.cornerstoneTools.segmentation.triggerSegmentationEvents;
    this.isWriting = true;
    try {
      triggerSegmentationDataModified(this.#as.id, slices);
    } finally {
      this.isWriting = false;
    }
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
      throw new Error(t('label.elsewhere', { mm: far.toFixed(1) }));
    }
  }

  voxelAt(world) {
    return this.pointAt(world).map(Math.round);
  }

  /** Between voxels too. */
  pointAt(world) {
    return [...this.volume.imageData.worldToIndex(world)];
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
    const segments = this.#services.segmentationService.getSegmentation(this.#as.id)?.segments ?? {};
    return Object.values(segments).find((one) => one.active)?.segmentIndex ?? INFLAMMATION;
  }

  /** Draw this segment from now on. */
  activate(index) {
    this.#services.segmentationService.setActiveSegment(this.#as.id, index);
  }
}

const inactive = (style) => Object.fromEntries(Object.entries(style).map(([name, value]) => [`${name}Inactive`, value]));

/** The largest distance between corresponding corners of two grids [mm]. */
export function farthest(one, other) {
  const corner = ({ sizes, directions, origin }, at) =>
    [0, 1, 2].map((n) => origin[n] + at.reduce((sum, end, axis) => sum + end * (sizes[axis] - 1) * directions[axis][n], 0));
  const ends = [0, 1];
  const corners = ends.flatMap((i) => ends.flatMap((j) => ends.map((k) => [i, j, k])));
  return Math.max(...corners.map((at) => Math.hypot(...corner(one, at).map((mm, n) => mm - corner(other, at)[n]))));
}
