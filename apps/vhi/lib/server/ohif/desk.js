/** The open case in the viewer: its reading, the tools in hand, and what the viewer tells of clicks and strokes. */

import { isReview, readingAsked } from './addresses.js';
import * as api from './api.js';
import { Beside } from './beside.js';
import { Bone } from './bone.js';
import { Display } from './display.js';
import { Effort } from './effort.js';
import { mendExport } from './exporting.js';
import { keepSpaceBar, mendCommands } from './keys.js';
import { Labelmap } from './labelmap.js';
import { watchKeys } from './lesion_keys.js';
import { LinkedViews, volumeOf } from './linked_views.js';
import { drawSeldom, drawThumbnailsLater, until } from './opening.js';
import { watchPointer } from './pointer.js';
import { Keeping } from './keeping.js';
import { simplified } from './gestures.js';
import { clean, decide, growBone, split } from './measuring.js';
import { markPointer } from './pointer_mark.js';
import { Reading } from './reading.js';
import { Review } from './review.js';
import { keepLabelmap, mendPoints, mendWriting } from './stock.js';
import { watchStrokes } from './strokes.js';
import { BONE_CLICK, CLEANING, DRAWING, SPLIT, VIEW } from './tools.js';
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

export class Desk extends EventTarget {
  reading = null;
  beside = null; // the earlier visit, while a reading is open
  review = null; // in place of a reading, where the page was opened for that
  coming = null; // the reading of a case whose images still load: it can be measured
  why = 'Opening the case ...';
  models = {};
  tool = VIEW;
  scope = 'lesion';
  brushMm = 3;
  list = { sort: null, filter: 'all', of: null, current: null, selected: new Set() };
  isOverlayShown = true;
  valueText = '';
  #isPeeking = false;
  #managers = null;
  #case = null;
  #opened = Promise.resolve(); // once the pictures of the case are there
  #drawOften = () => {};
  #linked;
  #stopWaiting = () => {};
  #wasDrawn = false;

  constructor(told) {
    super();
    this.told = told;
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
    watchKeys(this);
    const strokeOf = { [SPLIT]: () => 'cut', ...Object.fromEntries(CLEANING.map((tool) => [tool, () => STROKES[this.scope]])) };
    const strokeInHand = () => (this.reading ? (strokeOf[this.tool]?.() ?? null) : null);
    watchStrokes(() => this.#readable(), strokeInHand, (viewport, path) => this.#stroked(viewport, path));
    watchPointer(() => (this.reading ? this.#readable() : []), {
      click: (world) => this.#clicked(world),
      stroke: () => setTimeout(() => this.#noteStroke(), AFTER_STROKE_MS),
    });
  }

  #undoByKey(event) {
    const key = event.key.toLowerCase();
    const isText = event.target.matches?.('input[type=text], input[type=password], textarea');
    if (!this.reading || !(event.ctrlKey || event.metaKey) || !['z', 'y'].includes(key) || isText) return;
    event.preventDefault();
    this.reading.undo(key === 'y' || event.shiftKey);
  }

  get reader() {
    return this.told.reader ?? window.localStorage.getItem(READER);
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
    this.why = found.case ? 'Opening the case ...' : found.why;
    this.#stopWaiting();
    if (!found.case) this.#stopWaiting = waitForCase(found.study, (why) => this.#fail({ message: why }));
    drawThumbnailsLater(window.extensionManager, () => this.#opened);
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
    const start = isReview() ? (found) => this.#startReview(found) : (found) => this.#start(found);
    if (this.#case) this.#opened = start(this.#case).catch((error) => this.#fail(error));
  }

  closed() {
    this.#stopWaiting();
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
      if (this.#case === found) this.display.open();
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
    this.display.open();
    this.changed();
  }

  /** The image that shows STIR, once it does. */
  #stirShown(found) {
    const { cornerstoneViewportService: service } = this.#managers.servicesManager.services;
    const isShown = ({ viewport, displaySet }) =>
      displaySet?.SeriesInstanceUID === found.stir && viewport.getAllVolumeIds?.().length;
    const look = () => this.#case !== found || this.#viewports().find(isShown);
    return until(look, (again) => service.subscribe(service.EVENTS.VIEWPORT_VOLUMES_CHANGED, again).unsubscribe);
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
    return this.#readable().flatMap((view) => (role(view) ? [{ viewport: view.viewport, role: role(view) }] : []));
  }

  /** The pointer lies over an image; null for none. */
  #pointedAt(viewport, world) {
    const view = world && this.#roles().find((one) => one.viewport === viewport);
    const volume = view && volumeOf(viewport);
    const value = volume && valueAt(volume, world);
    this.valueText = value === undefined || value === null ? '' : `${view.role.toUpperCase()} ${shown(value)} under the pointer`;
    const place = document.getElementById('vhi-value');
    if (place && place.textContent !== this.valueText) place.textContent = this.valueText;
  }

  // what the viewer tells ------------------------------------------------------------------------------------------------

  #watch(labelmap) {
    const { cornerstoneViewportService } = this.#managers.servicesManager.services;
    const { SEGMENTATION_DATA_MODIFIED } = window.cornerstoneTools.Enums.Events;
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
    if (this.tool === BONE_CLICK) growBone(this.reading, this.reading.labelmap.voxelAt(world));
    if (!CLEANING.includes(this.tool) || STROKES[this.scope]) return;
    const voxel = this.reading.labelmap.voxelAt(world);
    if (this.scope === 'on slice') decide(this.reading, { what: this.tool, scope: 'on slice', slice: voxel[2] });
    else clean(this.reading, this.tool, voxel, this.scope);
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

  #drawOverlay() {
    for (const one of [this.reading?.labelmap, this.beside]) one?.setVisible(this.isOverlayShown && !this.#isPeeking);
  }

  // tools ----------------------------------------------------------------------------------------------------------------

  /** Take up a tool: a drawing tool of the viewer, `remove`, `restore` or BONE_CLICK, or VIEW for none. */
  take(tool) {
    this.tool = tool;
    const toolName = DRAWING.includes(tool) ? tool : VIEW;
    this.setBrush(this.brushMm);
    this.#managers.commandsManager.runCommand('setToolActiveToolbar', { toolName, toolGroupIds: ['default'] });
    this.changed();
  }

  setBrush(radiusMm) {
    this.brushMm = radiusMm;
    const toolNames = ['CircularBrush', 'CircularEraser'];
    this.#managers.commandsManager.runCommand('setBrushSize', { value: radiusMm, toolNames });
  }
}
