/**
 * The patient's earlier visit in place of T1W: its STIR, which the server laid over this one, with what was kept of it outlined. It lies on
 * the voxels of this visit's STIR, so that slice, zoom and place are linked like those of any image. It is there to look at: nothing is
 * drawn, clicked or cleaned in it.
 */

import * as api from './api.js';
import { el } from './dom.js';
import { Labelmap } from './labelmap.js';
import { frameOf, volumeOf } from './linked_views.js';
import { t } from './texts.js';
import { VIEW } from './tools.js';

const MAP = 'vhi-earlier';
const COLOR = [60, 200, 255, 255];
const AS = {
  id: MAP,
  segments: { 1: { segmentIndex: 1, label: t('earlier.segment'), color: COLOR, active: false, locked: true } },
  colours: [[0, 0, 0, 0], COLOR],
};
const OUTLINED = { opacity: 0, isFilled: false };

export class Beside {
  #desk;
  #views;
  #map;
  #volumeId = null; // of the earlier scan, once it was asked for
  #facts = null;
  #before = null; // what the viewport showed
  #isFollowing = false;
  #closing = new AbortController();
  isComing = false;

  /**
   * @param {object} desk its reading is the open one
   * @param {() => {id: string, viewport: object, displaySet: object}[]} views of the open case
   */
  constructor(desk, services, views) {
    this.#desk = desk;
    this.#views = views;
    this.#map = new Labelmap(services, OUTLINED, AS);
    const options = { capture: true, signal: this.#closing.signal };
    for (const kind of ['pointerdown', 'mousedown']) window.addEventListener(kind, (event) => this.#keepAway(event), options);
    window.addEventListener('CORNERSTONE_VOI_MODIFIED', () => this.#follow(), options);
  }

  /** The viewport that shows the earlier scan; undefined where none does: another series was put there, or it was never asked for. */
  get #view() {
    return this.#volumeId ? this.#views().find(({ viewport }) => volumeOf(viewport)?.volumeId === this.#volumeId) : undefined;
  }

  get isShown() {
    return Boolean(this.#view);
  }

  isIn(viewport) {
    return this.#view?.viewport === viewport;
  }

  async toggle() {
    if (this.isComing) return;
    const { reading } = this.#desk;
    this.isComing = true;
    reading.changed();
    try {
      reading.message = '';
      await (this.isShown ? this.hide() : this.#show(reading));
    } catch (error) {
      reading.message = error.message;
    }
    this.isComing = false;
    reading.changed();
  }

  async #show(reading) {
    const { stir, t1w } = reading.case;
    const of = (series) => this.#views().find(({ displaySet }) => displaySet?.SeriesInstanceUID === series);
    const [now, pane] = [of(stir), of(t1w)];
    if (!now || !pane) throw new Error(t('earlier.needs_both'));
    if (!this.#volumeId) await this.#fetch(reading, now);
    const { id, viewport } = pane;
    reading.labelmap.isIn = (one) => one !== id || !this.isShown;
    reading.labelmap.hideIn(id);
    this.#before = viewport.getAllVolumeIds();
    await this.#put(viewport, [{ volumeId: this.#volumeId }]);
    this.#map.isIn = (one) => one === id && this.isShown;
    await this.#map.show();
    this.#map.setStyle(OUTLINED);
    this.#note(viewport);
    this.#follow();
  }

  /** T1W again. */
  async hide() {
    const view = this.#view;
    if (!view) return;
    this.#map.hideIn(view.id);
    await this.#put(
      view.viewport,
      this.#before.slice(0, 1).map((volumeId) => ({ volumeId })),
    );
    view.viewport.element.querySelector('.vhi-beside')?.remove();
    await this.#desk.reading.labelmap.show();
    this.#desk.display.apply();
  }

  /** Other images in a viewport, at the same place. */
  async #put(viewport, volumes) {
    const camera = viewport.getCamera();
    viewport.volumeIds.clear(); // it adds those that it is given
    await viewport.setVolumes(volumes);
    viewport.setCamera(camera);
    viewport.render();
  }

  async #fetch(reading, now) {
    const { volumeLoader, utilities } = window.cornerstone;
    const { facts, scan, kept } = await api.earlierVisit(reading.case.stir, reading.reader, reading.number);
    for (const one of [scan, kept]) reading.labelmap.check(one);
    const volumeId = `vhi-earlier:${utilities.uuidv4()}`;
    const options = { volumeId, targetBuffer: { type: 'Float32Array' } };
    const volume = await volumeLoader.createAndCacheDerivedVolume(volumeOf(now.viewport).volumeId, options);
    volume.voxelManager.setCompleteScalarDataArray(scan.data);
    volume.invalidate(); // all of it goes to the graphics card
    await this.#map.create(now.displaySet);
    this.#map.write(kept.data);
    [this.#volumeId, this.#facts] = [volumeId, facts];
  }

  /** In that image: what it is. */
  #note(viewport) {
    const { date, reader } = this.#facts;
    viewport.element.querySelector('.vhi-beside')?.remove();
    const text = date ? t('earlier.note_of', { date, reader }) : t('earlier.note', { reader });
    viewport.element.append(el('div', { class: 'vhi-beside' }, text));
  }

  /** The window of this visit, over each visit's own sensitive threshold. */
  #follow() {
    const view = this.#isFollowing ? null : this.#view;
    const now = view && this.#views().find(({ displaySet }) => displaySet?.SeriesInstanceUID === this.#desk.reading?.case.stir);
    const range = now?.viewport.getProperties().voiRange;
    const sensitive = this.#desk.reading?.now?.thresholds?.sensitive;
    if (!range || !sensitive) return;
    const factor = this.#facts.sensitive / sensitive;
    const voiRange = { lower: range.lower * factor, upper: range.upper * factor };
    this.#isFollowing = true;
    view.viewport.setProperties({ voiRange }, this.#volumeId);
    this.#isFollowing = false;
    view.viewport.render();
  }

  /** No tool that draws or cleans gets a press there; wheel and the other buttons scroll, zoom and pan. */
  #keepAway(event) {
    const view = event.button === 0 ? this.#view : null;
    if (!view || !frameOf(view.viewport).contains(event.target)) return;
    event.stopImmediatePropagation();
    event.preventDefault();
    if (event.type === 'pointerdown' && this.#desk.tool !== VIEW) this.#desk.say(t('earlier.to_look_at'));
  }

  setVisible(isVisible) {
    this.#map.setVisible(isVisible);
  }

  close() {
    this.#closing.abort();
    document.querySelectorAll('.vhi-beside').forEach((one) => one.remove());
  }
}
