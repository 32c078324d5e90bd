/** What this page asks the server; every refusal is an Error with the server's own sentence. */

import { parseNrrd } from './nrrd.js';

async function asked(path, options = {}) {
  let answer;
  try {
    answer = await window.fetch(path, { credentials: 'same-origin', ...options });
  } catch {
    throw new Error('The server cannot be reached; try again.');
  }
  if (answer.ok) return answer;
  const told = await answer.json().catch(() => ({}));
  throw new Error(told.detail ?? `The server answered with status ${answer.status}.`);
}

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

/** Run a task on a series: `{facts, labels}`; `facts.label_names` says which value is which segment. */
export async function infer(model, image, params) {
  const form_ = { result_extension: '.nrrd', result_dtype: 'uint8', result_compress: false };
  const answer = await asked(`/infer/${model}?${query({ image })}`, { method: 'POST', body: form({ ...params, ...form_ }) });
  const parts = await answer.formData();
  return { facts: JSON.parse(await textOf(parts.get('params'))), labels: parseNrrd(await parts.get('image').arrayBuffer()) };
}

const textOf = async (part) => (typeof part === 'string' ? part : part.text());

/** Hand in a label map with its segments' names and what else is told. */
export async function submit(image, label, params) {
  return (await asked(`/datastore/label?${query({ image, tag: 'final' })}`, { method: 'PUT', body: form(params, label) })).json();
}

const json = (values) => ({ headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(values) });

/** Say how good the automatic disease region is, without a label map. */
export async function rate(image, rating, params) {
  return (await asked('/vhi/rating', { method: 'POST', ...json({ image, rating, ...params }) })).json();
}

/** The numbers of the report of a reader's newest submission. */
export async function report(image, reader) {
  return (await asked(`/vhi/report?${query({ image, reader, form: 'json' })}`)).json();
}

/** The next case for this reader; an empty object when there is none. */
export async function nextSample(strategy, params) {
  return (await asked(`/activelearning/${strategy}`, { method: 'POST', ...json(params) })).json();
}
