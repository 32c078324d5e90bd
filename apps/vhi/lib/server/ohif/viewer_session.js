/** The open case in the viewer: its reading, the tools in hand, and what the viewer tells of clicks and strokes. */

import { isReview, readingAsked } from './addresses.js';
import * as api from './api.js';
import { Beside } from './beside.js';
import { Bone } from './bone.js';
import { Display } from './display.js';
import { Effort } from './effort.js';
import { mendExport } from './exporting.js';
import { fit } from './fitting.js';
import { Folds } from './folding.js';
import { BRUSHES, Freehand } from './freehand.js';
import { keepSpaceBar, mendCommands } from './keys.js';
import { expectImages, forgetImages } from './images_ahead.js';
import { Labelmap } from './labelmap.js';
import { watchKeys } from './lesion_keys.js';
import { LinkedViews, volumeOf } from './linked_views.js';
import { DRAW_EACH_MS, drawSeldom, drawThumbnailsLater, soon, twoFrames, until } from './opening.js';
import { watchPointer } from './pointer.js';
import { regionCorners } from './region_box.js';
import { Keeping } from './keeping.js';
import { simplified } from './gestures.js';
import { clean, decide, growBone, split } from './measuring.js';
import { showNumbers } from './numbers.js';
import { markPointer } from './pointer_mark.js';
import { PARTS, actOnPart } from './parts.js';
import { Reading } from './reading.js';
import { Review } from './review.js';
import { keepLabelmap, mendPoints, mendWriting } from './stock.js';
import { watchStrokes } from './strokes.js';
import { t } from './texts.js';
import { BONE_CLICK, CLEANING, DRAWING, RADIUS_MM, SPLIT, VIEW } from './tools.js';
import { shown } from './panel-display.js';
import { valueAt } from './slices.js';
import { waitForCase } from './waiting.js';

const READER = 'vhi_reader';
const AFTER_CHANGE_MS = 50;
const AFTER_STROKE_MS = 30; // the viewer's tools finish with the same event
// scopes of a cleaning tool that are drawn, and what they are drawn as
const STROKES = { inside: 'lasso', outside: 'lasso', above: 'line', below: 'line' };
const FAR_PX = 1000;
const CLICK_PX = 4;

export class ViewerSession extends EventTarget {
  reading = null;
  beside = null; // the earlier visit, while a reading is open
  review = null; // in place of a reading, where the page was opened for that
  coming = null; // the reading of a case whose images still load: it can be measured
  why = t('case.opening');
  models = {};
  tool = VIEW;
  scope = 'lesion';
  brushMm = 3;
  growMm = 0; // by how much grow and shrink change what is drawn; 0 for a voxel
  isThresholded = false; // inflammation is painted at or above the threshold alone
  list = { sort: null, filter: 'all', of: null, current: null, selected: new Set() };
  isOverlayShown = true;
  valueText = '';
  folds = new Folds(() => this.changed());
  isPictured = false; // all images of the case are there, in their windows
  #isPeeking = false;
  #managers = null;
  #case = null;
  #opened = Promise.resolve(); // once the pictures of the case are there
  #drawOften = () => {};
  #freehand = new Freehand(this);
  #isTaking = false;
  #pointed = [null, null, null]; // the image that the pointer is over, and where in space and on its canvas
  #linked;
  #stopWaiting = () => {};
  #stopFitting = () => {};
  #wasDrawn = false;

  /** @param {object} serverFacts what the server says of itself and of the reader, see lib/server/viewer.py */
  constructor(serverFacts) {
    super();
    this.serverFacts = serverFacts;
    this.effort = new Effort();
    this.keeping = new Keeping(() => this.changed());
    window.addEventListener('keydown', (event) => this.#undoByKey(event));
    // keys and wheels turn before the viewer is ready
    const views = () => (this.#case && this.#managers ? this.#viewports() : []);
    const grid = () => this.#managers?.servicesManager.services.viewportGridService;
    this.#linked = new LinkedViews(views, {
      get: () => grid()?.getActiveViewportId(),
      set: (id) => grid().setActiveViewportId(id),
    });
    this.display = new Display(() => this.#roles());
    this.#linked.onReset = () => this.display.reset();
    markPointer(views, (viewport, world) => this.#pointedAt(viewport, world));
    keepSpaceBar();
    showNumbers(this, () => this.#roles());
    watchKeys(this);
    const strokeInHand = () => (this.reading ? this.#strokeInHand() : null);
    const isDrawing = () => DRAWING.includes(this.tool);
    watchStrokes(() => this.#readable(), strokeInHand, {
      moved: (...stroke) => isDrawing() && this.#freehand.moved(...stroke),
      drawn: (...stroke) => (isDrawing() ? this.#freehand.drawn(...stroke) : this.#stroked(...stroke)),
      dropped: () => this.#freehand.dropped(),
    });
    watchPointer(() => (this.reading ? this.#readable() : []), {
      click: (world) => this.#clicked(world),
      stroke: () => setTimeout(() => this.#noteStroke(), AFTER_STROKE_MS),
      isInHand: () => this.tool !== VIEW,
    });
  }

  #undoByKey(event) {
    const key = event.key.toLowerCase();
    const isText = event.target.matches?.('input[type=text], input[type=password], textarea');
    if (!this.reading || !(event.ctrlKey || event.metaKey) || !['z', 'y'].includes(key) || isText) return;
    event.preventDefault();
    this.reading.undo(key === 'y' || event.shiftKey);
  }

  /** Whose case is open, as the archive's headers have it: in a blinded study an alias. */
  get patient() {
    const shown = this.#roles().map(({ displaySet }) => displaySet)[0];
    const { PatientName: name, PatientID: id } = shown?.instances?.[0] ?? {};
    return String(name?.Alphabetic ?? name?.[0]?.Alphabetic ?? name ?? '').replaceAll('^', ' ').trim() || id || '';
  }

  get reader() {
    return this.serverFacts.reader ?? window.localStorage.getItem(READER);
  }

  /** Remember who reads, where no login says it. */
  set reader(name) {
    window.localStorage.setItem(READER, name);
    for (const reading of [this.reading, this.coming]) if (reading) reading.reader = name;
    this.changed();
  }

  changed() {
    this.dispatchEvent(new Event('change'));
  }

  // what the mode tells ------------------------------------------------------------------------------------------------

  opened(found) {
    this.#case = found.case;
    this.reading = null;
    this.coming = null;
    this.why = found.case ? t('case.opening') : found.why;
    this.#stopWaiting();
    if (found.case) expectImages(found.case);
    if (!found.case) this.#stopWaiting = waitForCase(found.study, (why) => this.#fail({ message: why }));
    drawThumbnailsLater(window.extensionManager, () => this.#opened);
    this.isPictured = false;
    this.effort.restart();
    Object.assign(this.list, { current: null, selected: new Set() });
    this.isOverlayShown = true; // its label map is a new one
    this.changed();
  }

  ready(managers) {
    this.#managers = managers;
    mendExport(managers.commandsManager, managers.extensionManager);
    mendCommands(managers.commandsManager, () => this.#case !== null, this.#linked);
    keepLabelmap(managers.commandsManager);
    mendPoints(window.cornerstoneTools.annotation.state.getAnnotationManager());
    if (this.#case) this.#fitImages(managers.servicesManager.services.cornerstoneViewportService);
    const start = isReview() ? (found) => this.#startReview(found) : (found) => this.#start(found);
    if (this.#case) this.#opened = start(this.#case).catch((error) => this.#fail(error));
  }

  closed() {
    forgetImages();
    this.#stopWaiting();
    this.#stopFitting();
    this.#drawOften();
    this.keeping.end();
    this.beside?.close();
    this.beside = null;
    this.#case = null;
    this.reading = null;
    this.coming = null;
  }

  #fail({ message }) {
    if (message === this.why) return;
    this.why = message;
    this.changed();
  }

  /** Open a case: it can be measured at once, and read once its images are there. */
  async #start(found) {
    const { services } = this.#managers.servicesManager;
    const labelmap = new Labelmap(services, this.display.chosen);
    const drawOften = drawSeldom(services.cornerstoneViewportService.getRenderingEngine());
    this.#drawOften = drawOften;
    try {
      const drawable = this.#drawable(found, labelmap);
      const reading = new Reading(found, labelmap, drawable, this.effort, this.reader, readingAsked());
      reading.addEventListener('change', () => this.changed());
      new Bone(reading);
      reading.addEventListener('jump', (event) => this.#linked.show(event.detail));
      this.coming = reading;
      this.changed();
      this.keeping.start(reading);
      this.models = await drawable;
      if (this.#case !== found) return; // another one was opened meanwhile
      mendWriting(labelmap, reading, this.models);
      this.#watch(labelmap);
      this.beside = new Beside(this, services, () => (this.#case ? this.#viewports() : []));
      Object.assign(this, { reading, coming: null, why: '' });
      this.changed();
      const pictured = this.#pictured(found);
      await Promise.race([reading.resting, pictured]); // what is measured by then is drawn with the pictures
      if (this.#case === found) await labelmap.show();
      await pictured;
      // and what was asked for by then: its answer would wait for a drawing without it
      await soon(reading.resting, DRAW_EACH_MS);
      await twoFrames(); // else the label map, which the viewer takes in a frame of its own, is drawn once more
      if (this.#case === found) this.#showPictured();
    } finally {
      drawOften();
    }
  }

  /** Open a finished case to look at; there is no reading, and so nothing to draw, measure or hand in. */
  async #startReview(found) {
    const { services } = this.#managers.servicesManager;
    const { displaySet } = await this.#stirShown(found);
    if (this.#case !== found) return;
    const review = new Review(found, services, (world) => this.#linked.show(world));
    review.addEventListener('change', () => this.changed());
    await review.open(displaySet);
    Object.assign(this, { review, why: '' });
    await this.#pictured(found);
    await review.draw();
    this.#showPictured();
  }

  /** The image that shows STIR, once it does. */
  #stirShown(found) {
    const { cornerstoneViewportService: service } = this.#managers.servicesManager.services;
    const isShown = ({ viewport, displaySet }) =>
      displaySet?.SeriesInstanceUID === found.stir && viewport.getAllVolumeIds?.().length;
    const look = () => this.#case !== found || this.#viewports().find(isShown);
    return until(look, (again) => service.subscribe(service.EVENTS.VIEWPORT_VOLUMES_CHANGED, again).unsubscribe);
  }

  #showPictured() {
    this.display.open();
    this.isPictured = true;
    this.changed();
  }

  /** Every image fills its place once its volume is there. */
  #fitImages(service) {
    const fitted = new WeakMap();
    const { unsubscribe } = service.subscribe(service.EVENTS.VIEWPORT_VOLUMES_CHANGED, () => {
      for (const { viewport } of this.#case ? this.#viewports() : []) {
        const volume = volumeOf(viewport);
        if (!volume || fitted.get(viewport) === volume) continue;
        fitted.set(viewport, volume);
        fit(viewport);
      }
    });
    this.#stopFitting = unsubscribe;
  }

  /** A label map on STIR, once that is shown, and what the server offers. */
  async #drawable(found, labelmap) {
    const asked = api.information();
    const shown = await this.#stirShown(found);
    if (this.#case === found) await labelmap.create(shown.displaySet);
    return (await asked).models;
  }

  /** Once all images of the case are there. */
  #pictured(found) {
    const { cache, eventTarget, Enums } = window.cornerstone;
    const isThere = (id) => cache.getVolume(id)?.loadStatus?.loaded ?? true;
    const look = () =>
      this.#case !== found || this.#viewports().every(({ viewport }) => viewport.getAllVolumeIds?.().every(isThere) ?? true);
    return until(look, (again) => {
      const { IMAGE_VOLUME_LOADING_COMPLETED: done } = Enums.Events;
      eventTarget.addEventListener(done, again);
      return () => eventTarget.removeEventListener(done, again);
    });
  }

  #viewports() {
    const { viewportGridService, displaySetService, cornerstoneViewportService } = this.#managers.servicesManager.services;
    return [...viewportGridService.getState().viewports.values()].flatMap((one) => {
      const viewport = cornerstoneViewportService.getCornerstoneViewport(one.viewportId);
      const [shown] = one.displaySetInstanceUIDs ?? [];
      const displaySet = shown && displaySetService.getDisplaySetByUID(shown);
      return viewport ? [{ id: one.viewportId, viewport, displaySet }] : [];
    });
  }

  /** Without the earlier visit, which is there to look at. */
  #readable() {
    return this.#viewports().filter(({ viewport }) => !this.beside?.isIn(viewport));
  }

  /** The images of the case with what they show. */
  #roles() {
    if (!this.#case || !this.#managers) return [];
    const role = ({ displaySet }) => ({ [this.#case.stir]: 'stir', [this.#case.t1w]: 't1w' })[displaySet?.SeriesInstanceUID];
    return this.#readable().flatMap((view) => (role(view) ? [{ ...view, role: role(view) }] : []));
  }

  /** The pointer lies over an image; null for none. */
  #pointedAt(viewport, world) {
    this.#pointed = [viewport, world, world && viewport.worldToCanvas(world)];
    this.#freehand.ring(viewport, world);
    const view = world && this.#roles().find((one) => one.viewport === viewport);
    const volume = view && volumeOf(viewport);
    const value = volume && valueAt(volume, world);
    this.valueText = value === undefined || value === null ? '' : t('display.value', { series: view.role.toUpperCase(), value: shown(value) });
    const place = document.getElementById('vhi-value');
    if (place && place.textContent !== this.valueText) place.textContent = this.valueText;
  }

  // what the viewer tells ------------------------------------------------------------------------------------------------

  #watch(labelmap) {
    const { cornerstoneViewportService } = this.#managers.servicesManager.services;
    const { SEGMENTATION_DATA_MODIFIED, TOOL_ACTIVATED } = window.cornerstoneTools.Enums.Events;
    window.cornerstone.eventTarget.addEventListener(TOOL_ACTIVATED, ({ detail }) => this.#putDown(detail));
    window.cornerstone.eventTarget.addEventListener(SEGMENTATION_DATA_MODIFIED, () => (this.#wasDrawn ||= !labelmap.isWriting));
    const again = async () => {
      if (this.reading?.labelmap !== labelmap) return;
      await labelmap.show();
      this.display.apply(); // the viewer sets the header's window
    };
    cornerstoneViewportService.subscribe(cornerstoneViewportService.EVENTS.VIEWPORT_DATA_CHANGED, () =>
      setTimeout(again, AFTER_CHANGE_MS),
    );
  }

  #clicked(world) {
    if (!this.reading) return;
    if (PARTS[this.tool]) actOnPart(this, this.tool, this.reading.labelmap.voxelAt(world));
    if (this.tool === BONE_CLICK) growBone(this.reading, this.reading.labelmap.voxelAt(world));
    if (!CLEANING.includes(this.tool) || STROKES[this.scope]) return;
    const voxel = this.reading.labelmap.voxelAt(world);
    if (this.scope === 'on slice') decide(this.reading, { what: this.tool, scope: 'on slice', slice: voxel[2] });
    else clean(this.reading, this.tool, voxel, this.scope);
  }

  /** Something with the drawn part that the pointer is over, by a key. */
  actUnderPointer(what) {
    const [viewport, , place] = this.#pointed;
    // of the slice that is shown now, also before the pointer moves again
    if (place) actOnPart(this, what, this.reading.labelmap.voxelAt(viewport.canvasToWorld(place)));
    else this.say(t('draw.hold_pointer'));
  }

  /** What is drawn with the tool in hand; null for what is not drawn. */
  #strokeInHand() {
    if (CLEANING.includes(this.tool)) return STROKES[this.scope] ?? null;
    if (this.tool === SPLIT) return 'cut';
    if (!DRAWING.includes(this.tool)) return null;
    return BRUSHES.includes(this.tool) ? 'brush' : this.tool;
  }

  /** A lasso or a line was drawn on an image, as points of its canvas. */
  #stroked(viewport, path) {
    const { labelmap } = this.reading;
    const voxels = path.map((point) => labelmap.pointAt(viewport.canvasToWorld(point)));
    const slice = Math.round(voxels[0][2]);
    const points = voxels.map(([i, j]) => [i, j]);
    const what = this.tool;
    if (what === SPLIT) {
      const stroke = simplified(points);
      const isClick = Math.hypot(...path[0].map((n, axis) => n - path.at(-1)[axis])) < CLICK_PX;
      const place = isClick ? { scope: 'bridge', voxel: voxels[0].map(Math.round) } : { scope: 'stroke', slice, stroke };
      split(this.reading, place);
      return;
    }
    if (STROKES[this.scope] === 'lasso') {
      const polygon = simplified(points);
      if (polygon.length > 2) decide(this.reading, { what, scope: 'lasso', slice, polygon, inside: this.scope === 'inside' });
      return;
    }
    const [[x, y]] = path;
    const away = this.scope === 'above' ? -FAR_PX : FAR_PX; // the canvas counts downwards
    const [i, j] = labelmap.pointAt(viewport.canvasToWorld([x, y + away]));
    decide(this.reading, { what, scope: 'beyond line', line: [points[0], points[points.length - 1]], side: [i, j] });
  }

  #noteStroke() {
    if (!this.#wasDrawn || !this.reading) return;
    this.#wasDrawn = false;
    this.reading.noteDrawn();
  }

  /** A setting of the method; undefined for the default. It counts from the next measurement on. */
  setOption(name, value) {
    if (value === undefined) delete this.reading.options[name];
    else this.reading.options[name] = value;
    this.reading.touched();
  }

  // the list of lesions, the overlay ---------------------------------------------------------------------------------------

  setList(more) {
    Object.assign(this.list, more);
    this.changed();
  }

  /** Show a lesion in the images and in the list. */
  goTo(lesion) {
    this.list.current = lesion.id;
    this.reading.jumpTo(lesion);
    this.changed();
  }

  say(message) {
    this.reading.message = message;
    this.changed();
  }

  /** The numbers of lesions on the images, from now on. */
  number(isNumbered) {
    this.display.number(isNumbered);
    this.changed();
  }

  /** Both images enlarged to the disease region. */
  zoomToRegion() {
    const { reading } = this;
    return reading.work('finding', async () => this.#linked.frame(await regionCorners(reading)));
  }

  /** Slice, zoom, place and window of both images as they were when the case was opened. */
  resetViews() {
    this.#linked.reset();
  }

  showOverlay(isShown) {
    this.isOverlayShown = isShown;
    this.#drawOverlay();
  }

  /** For as long as a key is held, the images alone. */
  peek(isPeeking) {
    if (this.#isPeeking === isPeeking) return;
    this.#isPeeking = isPeeking;
    this.#drawOverlay();
  }

  get isOverlaySeen() {
    return this.isOverlayShown && !this.#isPeeking;
  }

  #drawOverlay() {
    for (const one of [this.reading?.labelmap, this.beside]) one?.setVisible(this.isOverlaySeen);
  }

  // tools ----------------------------------------------------------------------------------------------------------------

  /** Take up a tool: one that draws or cleans, BONE_CLICK, or VIEW for none. The viewer's own is then the window, and gets no press. */
  take(tool) {
    this.tool = tool;
    this.#isTaking = true;
    this.#managers.commandsManager.runCommand('setToolActiveToolbar', { toolName: VIEW, toolGroupIds: ['default'] });
    this.#isTaking = false;
    this.#freehand.ring(...this.#pointed.slice(0, 2));
    this.changed();
  }

  /** A tool of the viewer's own was taken up: none of ours is in hand any longer. */
  #putDown({ toolBindingsOptions }) {
    const isPrimary = toolBindingsOptions?.bindings?.some(({ mouseButton }) => mouseButton === 1);
    if (this.#isTaking || !isPrimary || this.tool === VIEW) return;
    this.tool = VIEW;
    this.changed();
  }

  threshold(isThresholded) {
    this.isThresholded = isThresholded;
    this.changed();
  }

  setBrush(radiusMm) {
    this.brushMm = Math.min(Math.max(radiusMm, RADIUS_MM.least), RADIUS_MM.most);
    this.#freehand.ring(...this.#pointed.slice(0, 2));
  }
}
