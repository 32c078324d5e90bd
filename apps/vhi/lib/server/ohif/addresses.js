/** Addresses of this page's own server, which may lie below a path prefix of its host. */

const PREFIX = window.vhi.prefix;

/** A path of the server, as this page asks for it. */
export const address = (path) => PREFIX + path;

/** A path as the server knows it, without the prefix; another one as it is. */
export const inner = (path) => (PREFIX && path.startsWith(`${PREFIX}/`) ? path.slice(PREFIX.length) : path);

/** Where a study is read, for the how-manieth time; 1 is the first. */
export function caseAddress(study, reading = 1) {
  const more = Number(reading) > 1 ? { reading } : {};
  return address(`/ohif/monai-label?${new URLSearchParams({ StudyInstanceUIDs: study, ...more })}`);
}

/** Where an administrator looks at a finished study. */
export function reviewAddress(study) {
  return address(`/ohif/monai-label?${new URLSearchParams({ StudyInstanceUIDs: study, review: 1 })}`);
}

/** Whether this page was opened for that; the server hands it to administrators alone. */
export const isReview = () => new URLSearchParams(window.location.search).has('review');

/** Which reading of the case this page was opened for. */
export function readingAsked() {
  const asked = Number(new URLSearchParams(window.location.search).get('reading') ?? 1);
  return Number.isInteger(asked) && asked >= 1 && asked <= 99 ? asked : 1;
}
