/** The open case in the viewer: its reading, the tools in hand, and what the viewer tells of clicks and strokes. */

import * as api from './api.js';
import { Bone } from './bone.js';
import { Effort } from './effort.js';
import { mendExport } from './exporting.js';
import { keepSpaceBar, mendCommands } from './keys.js';
import { Labelmap } from './labelmap.js';
import { LinkedViews } from './linked_views.js';
import { drawSeldom, drawThumbnailsLater, until } from './opening.js';
import { watchPointer } from './pointer.js';
import { Keeping } from './keeping.js';
import { clean } from './measuring.js';
import { markPointer } from './pointer_mark.js';
import { Reading } from './reading.js';
import { keepLabelmap, mendPoints, mendWriting } from './stock.js';
import { waitForCase } from './waiting.js';

const READER = 'vhi_reader';
const AFTER_CHANGE_MS = 50;
const AFTER_STROKE_MS = 30; // the viewer's tools finish with the same event
export const VIEW = 'WindowLevel';
const DRAWING = ['CircularBrush', 'CircularEraser', 'CircleScissor', 'RectangleScissor'];
const CLEANING = ['remove', 'restore'];

export class Desk extends EventTarget {
  reading = null;
  coming = null; // the reading of a case whose images still load: it can be measured
  why = 'Opening the case ...';
  models = {};
  tool = VIEW;
  scope = 'lesion';
  brushMm = 3;
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
    markPointer(views);
    keepSpaceBar();
    watchPointer(() => (this.reading ? this.#viewports() : []), {
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
    this.changed();
  }

  ready(managers) {
    this.#managers = managers;
    mendExport(managers.commandsManager, managers.extensionManager);
    mendCommands(managers.commandsManager, () => this.#case !== null, this.#linked);
    keepLabelmap(managers.commandsManager);
    mendPoints(window.cornerstoneTools.annotation.state.getAnnotationManager());
    if (this.#case) this.#opened = this.#start(this.#case).catch((error) => this.#fail(error));
  }

  closed() {
    this.#stopWaiting();
    this.#drawOften();
    this.keeping.end();
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
    const labelmap = new Labelmap(services);
    const drawOften = drawSeldom(services.cornerstoneViewportService.getRenderingEngine());
    this.#drawOften = drawOften;
    try {
      const drawable = this.#drawable(found, labelmap);
      const reading = new Reading(found, labelmap, drawable, this.effort, this.reader);
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
      Object.assign(this, { reading, coming: null, why: '' });
      this.changed();
      const pictured = this.#pictured(found);
      await Promise.race([reading.resting, pictured]); // what is measured by then is drawn with the pictures
      if (this.#case === found) await labelmap.show();
      await pictured;
    } finally {
      drawOften();
    }
  }

  /** A label map on STIR, once that is shown, and what the server offers. */
  async #drawable(found, labelmap) {
    const asked = api.information();
    const { cornerstoneViewportService: service } = this.#managers.servicesManager.services;
    const isShown = ({ viewport, displaySet }) =>
      displaySet?.SeriesInstanceUID === found.stir && viewport.getAllVolumeIds?.().length;
    const look = () => this.#case !== found || this.#viewports().find(isShown);
    const shown = await until(look, (again) => service.subscribe(service.EVENTS.VIEWPORT_VOLUMES_CHANGED, again).unsubscribe);
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

  // what the viewer tells ------------------------------------------------------------------------------------------------

  #watch(labelmap) {
    const { cornerstoneViewportService } = this.#managers.servicesManager.services;
    const { SEGMENTATION_DATA_MODIFIED } = window.cornerstoneTools.Enums.Events;
    window.cornerstone.eventTarget.addEventListener(SEGMENTATION_DATA_MODIFIED, () => (this.#wasDrawn = true));
    const again = () => this.reading?.labelmap === labelmap && labelmap.show();
    cornerstoneViewportService.subscribe(cornerstoneViewportService.EVENTS.VIEWPORT_DATA_CHANGED, () =>
      setTimeout(again, AFTER_CHANGE_MS),
    );
  }

  #clicked(world) {
    if (!this.reading || !CLEANING.includes(this.tool)) return;
    clean(this.reading, this.tool, this.reading.labelmap.voxelAt(world), this.scope);
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

  // tools ----------------------------------------------------------------------------------------------------------------

  /** Take up a tool: a drawing tool of the viewer, `remove` or `restore`, or VIEW for none. */
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
