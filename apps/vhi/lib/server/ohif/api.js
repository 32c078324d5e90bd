/** What this page asks the server; every refusal is an Error with the server's own sentence. */

import { address } from './addresses.js';
import { parseNifti } from './nifti.js';
import { parseNrrd } from './nrrd.js';
import { t } from './texts.js';

async function asked(path, options = {}) {
  let answer;
  try {
    answer = await window.fetch(address(path), { credentials: 'same-origin', ...options });
  } catch {
    throw new Error(t('server.unreachable'));
  }
  if (answer.ok) return answer;
  const { detail, ...facts } = await answer.json().catch(() => ({}));
  throw Object.assign(new Error(detail ?? t('server.status', { status: answer.status })), { status: answer.status, facts });
}

const OUTLASTS_PAGE = 60000; // browsers send 64 KiB at most for a page that is gone

const query = (values) => new URLSearchParams(values).toString();

function form(params, file = null) {
  const body = new FormData();
  body.append('params', JSON.stringify(params));
  if (file) body.append('label', file, 'label.nii');
  return body;
}

/** The series of a study's case as UIDs, `{t1w, stir}`, or `{why}` it has none. */
export async function seriesOf(study) {
  return (await asked(`/vhi/study?${query({ study })}`)).json();
}

/** Models with their options and labels, strategies, counts. */
export async function information() {
  return (await asked('/info/')).json();
}

/** Run a task on a series, with regions that were not handed in; `facts.label_names` says which value of `labels` is which segment. */
export async function infer(model, image, params, regions = null) {
  const form_ = { result_extension: '.nrrd', result_dtype: 'uint8', result_compress: false };
  const answer = await asked(`/infer/${model}?${query({ image })}`, { method: 'POST', body: form({ ...params, ...form_ }, regions) });
  const parts = await answer.formData();
  return { facts: JSON.parse(await textOf(parts.get('params'))), labels: parseNrrd(await parts.get('image').arrayBuffer()) };
}

const textOf = async (part) => (typeof part === 'string' ? part : part.text());

/** The numbers that a submission of this label map would have. */
export async function preview(image, label, params) {
  return (await asked(`/vhi/reading/preview?${query({ image })}`, { method: 'POST', body: form(params, label) })).json();
}

/** Hand in a label map with its segments' names and its metadata. */
export async function submit(image, label, params) {
  return (await asked(`/datastore/label?${query({ image, tag: 'final' })}`, { method: 'PUT', body: form(params, label) })).json();
}

const json = (values) => ({ headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(values) });

/** Say how good the automatic disease region is, without a label map. */
export async function rate(image, rating, params) {
  return (await asked('/vhi/rating', { method: 'POST', ...json({ image, rating, ...params }) })).json();
}

/** What a reader has begun of a case and not handed in, on the server. */
export function draftOf(image, reader, reading) {
  const path = `/vhi/draft?${query({ image, reader, reading })}`;
  const seen = (revision) => (revision ? { 'If-Match': `"${revision}"` } : {});
  return {
    find: async () => (await asked(path)).json(),
    save: async (content, revision, keepalive) => {
      const { headers, body } = json(content);
      const options = { method: 'PUT', headers: { ...headers, ...seen(revision) }, body };
      return (await asked(path, { ...options, keepalive: keepalive && body.length < OUTLASTS_PAGE })).json();
    },
    remove: async (revision) => asked(path, { method: 'DELETE', headers: { 'If-Match': revision } }),
  };
}

/** What a reader handed in of a case, oldest first. */
export async function submissions(image, reader) {
  return (await asked(`/vhi/submissions?${query({ image, reader })}`)).json();
}

/** This reader's newest submission in a reading, with its label map. */
export async function submitted(image, reader, reading) {
  const who = query({ image, client_id: reader, reading });
  const [made, file] = await Promise.all([asked(`/vhi/reading?${who}`), asked(`/vhi/reading/label?${who}`)]);
  return { ...(await made.json()), label: await niftiIn(file) };
}

/** The numbers of the report of a reader's newest submission. */
export async function report(image, reader) {
  return (await asked(`/vhi/report?${query({ image, reader, form: 'json' })}`)).json();
}

/** The patient's earlier visit, laid over this one: what is known of it, its scan, and what was kept of it. */
export async function earlierVisit(image, reader, reading) {
  const who = query({ image, client_id: reader, reading });
  const facts = await (await asked(`/vhi/earlier?${who}`)).json(); // laid over once, before both files are asked for
  const [scan, kept] = await Promise.all(['image', 'label'].map(async (part) => niftiIn(await asked(`/vhi/earlier/${part}?${who}`))));
  return { facts, scan, kept };
}

/** The finished readings of a case, the classes of differences, and what was recorded; for administrators. */
export async function reviewOf(image) {
  return (await asked(`/vhi/review?${query({ image })}`)).json();
}

/** Where two readings, by their submissions, differ: the slices, and both masks as 1, 2 and their sum. */
export async function compared(image, first, second) {
  const which = query({ image, first, second });
  const [slices, file] = await Promise.all([asked(`/vhi/review/differences?${which}`), asked(`/vhi/review/labels?${which}`)]);
  return { ...(await slices.json()), labels: await niftiIn(file) };
}

/** Record the class of a difference, or of the case. */
export async function recordReview(values) {
  return (await asked('/vhi/review', { method: 'POST', ...json(values) })).json();
}

async function niftiIn(answer) {
  const plain = (await answer.blob()).stream().pipeThrough(new DecompressionStream('gzip'));
  return parseNifti(await new Response(plain).arrayBuffer());
}

/** The next case for this reader; an empty object when there is none. */
export async function nextSample(strategy, params) {
  return (await asked(`/activelearning/${strategy}`, { method: 'POST', ...json(params) })).json();
}

/** The cases as a reader sees them, see `/vhi/worklist/rows`. */
export async function worklist(values) {
  return (await asked(`/vhi/worklist/rows?${query(values)}`)).json();
}

/** How far each reader is; for administrators. */
export async function progress() {
  return (await asked('/vhi/worklist/progress')).json();
}
