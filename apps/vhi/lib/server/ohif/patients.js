/** Patients and dates of studies, as the archive tells them by QIDO through this server. */

import { address } from './addresses.js';

const ONE_BY_ONE = 50; // of those that a long list leaves out
const LISTED = 1000;
const PATIENT_NAME = '00100010';
const PATIENT_ID = '00100020';
const STUDY_DATE = '00080020';
const STUDY_UID = '0020000D';

const text = (attributes, tag) => {
  const value = attributes[tag]?.Value?.[0];
  return (typeof value === 'object' ? value?.Alphabetic : value) ?? '';
};

async function studies(query) {
  const answer = await window.fetch(address(`/proxy/dicom/qido/studies?${new URLSearchParams(query)}`), {
    headers: { Accept: 'application/dicom+json' },
    credentials: 'same-origin',
  });
  return answer.status === 200 ? answer.json() : [];
}

function named(attributes) {
  const [id, name] = [text(attributes, PATIENT_ID), text(attributes, PATIENT_NAME).replaceAll('^', ' ').trim()];
  const date = text(attributes, STUDY_DATE).replace(/^(\d{4})(\d{2})(\d{2})$/, '$1-$2-$3');
  return { patient: id && name && id !== name ? `${id} · ${name}` : id || name, date };
}

/** By study UID what is to be shown of it: `{patient, date}`; a study that the archive does not tell of is not in it. */
export async function namesOf(wanted) {
  if (!wanted.length) return new Map();
  const found = await studies({ limit: LISTED });
  const names = new Map(found.map((one) => [text(one, STUDY_UID), named(one)]));
  const missing = wanted.filter((study) => !names.has(study)).slice(0, ONE_BY_ONE);
  for (const study of missing) {
    for (const one of await studies({ StudyInstanceUID: study })) names.set(study, named(one));
  }
  return names;
}
