import assert from 'node:assert/strict';
import { test } from 'node:test';

const exports = { getCornerstoneLibraries: () => ({}) };
const extensionManager = { getModuleEntry: () => ({ exports }) };
globalThis.window = Object.assign(new EventTarget(), { vhi: { prefix: '' }, location: {}, extensionManager });
globalThis.document = new EventTarget();
window.localStorage = { getItem: () => null };
const { ViewerSession } = await import('../viewer_session.js');

test('the next case opens with its overlay', () => {
  const session = new ViewerSession({});
  session.showOverlay(false);
  session.opened({ study: '1.2', case: { stir: '1.2.3', t1w: '1.2.4' } });
  assert.equal(session.isOverlayShown, true);
});
