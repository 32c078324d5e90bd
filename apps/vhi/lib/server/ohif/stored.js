/** Stored results in the list of series: what the open mode of the viewer cannot show is shown elsewhere, and the page says where. */

import { address } from './addresses.js';
import { button, el } from './dom.js';
import { LANGUAGE, t } from './texts.js';

const OURS = /^(VHI|Uncleaned volume|Proposed volume) (measurements|report)(, (?<reader>.*))?/;
const LONGEST_DESCRIPTION = 64; // what is longer was cut off, and may name another reader
const PERSON_OBSERVER = '121008';
const MODES = { SEG: ['segmentation', 'Segmentation'], SR: ['viewer', 'Basic Viewer'] };

const list = (value) => (Array.isArray(value) ? value : [value]).filter(Boolean);

/** Watch double clicks on the list of series, in every mode. */
export function watchStored({ services: { displaySetService } }) {
  const answer = (event) => {
    const tile = event.target.closest?.('[id^="thumbnail-"]');
    const note = tile && noteOf(displaySetService.getDisplaySetByUID(tile.id.slice('thumbnail-'.length)));
    if (!note) return;
    event.stopPropagation(); // the viewer would show a black image
    show(note);
  };
  window.addEventListener('dblclick', answer, { capture: true });
}

/** What to open in place of a series, with a sentence; null where the mode shows it. */
function noteOf(displaySet) {
  const { Modality: modality, SeriesDescription: description, StudyInstanceUID: study, instance } = displaySet ?? {};
  const ours = OURS.exec(description);
  if (ours && (modality === 'SR' || modality === 'DOC')) {
    const written = description.length < LONGEST_DESCRIPTION ? ours.groups.reader : '';
    const reader = modality === 'SR' ? readerOf(instance) : written;
    const form = modality === 'SR' ? 'html' : 'pdf';
    const asked = new URLSearchParams({ image: `${study}_STIR`, form, ...(reader ? { reader } : {}) });
    const words = modality === 'SR' ? t('stored.report') : t('stored.document');
    return { words, link: reader ? t('stored.open_report_of', { reader }) : t('stored.open_report'), href: address(`/vhi/report?${asked}`) };
  }
  const [mode, name] = MODES[modality] ?? [];
  if (!mode || !isIn('monai-label') || (modality === 'SR' && isIn(mode))) return null;
  const words = modality === 'SEG' ? t('stored.segmentation_elsewhere', { mode: name }) : t('stored.report_elsewhere', { mode: name });
  return { words, link: t('stored.open_mode', { mode: name }), href: address(`/ohif/${mode}?StudyInstanceUIDs=${study}`) };
}

const isIn = (mode) => window.location.pathname.endsWith(`/ohif/${mode}`);

/** Who a report says has read. */
export function readerOf(report) {
  const named = list(report?.ContentSequence).find((item) =>
    list(item.ConceptNameCodeSequence).some(({ CodeValue }) => CodeValue === PERSON_OBSERVER),
  );
  const [name] = list(named?.PersonName);
  return (name?.Alphabetic ?? name ?? '').toString().split('^')[0];
}

function show({ words, link, href }) {
  document.getElementById('vhi-stored')?.remove();
  const note = el(
    'div',
    { id: 'vhi-stored', role: 'status', lang: LANGUAGE },
    words,
    el('a', { href, target: '_blank', rel: 'noopener', style: 'text-decoration:underline;color:#8fc0ff' }, link),
    button(t('close'), () => note.remove(), { style: 'text-decoration:underline' }),
  );
  note.style.cssText =
    'position:fixed;top:56px;left:50%;transform:translateX(-50%);z-index:9998;display:flex;gap:12px;padding:10px 16px;' +
    'font:14px sans-serif;background:#16244d;color:#e8eefc;border:1px solid #3b519a;border-radius:4px';
  document.body.append(note);
}
