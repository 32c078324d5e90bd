/** Addresses of this page's own server, which may lie below a path prefix of its host. */

const PREFIX = window.vhi.prefix;

/** A path of the server, as this page asks for it. */
export const address = (path) => PREFIX + path;

/** A path as the server knows it, without the prefix; another one as it is. */
export const inner = (path) => (PREFIX && path.startsWith(`${PREFIX}/`) ? path.slice(PREFIX.length) : path);
