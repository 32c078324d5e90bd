/**
 * Reading VHI in the OHIF viewer that MONAI Label brings: what is added to its configuration before it starts. No file of the viewer
 * is changed; what is added rests on names inside one version of it, so on another version it is left out and the page says so.
 */

import { provideViews } from './array_views.js';
import { isReview } from './addresses.js';
import { showBanner, watchWidth } from './banner.js';
import { lookAheadAlways } from './case_ahead.js';
import { loadParts } from './chunks.js';
import { answerFrames } from './images_ahead.js';
import { ViewerSession } from './viewer_session.js';
import { readingMode } from './mode.js';
import { smoothNoEdges } from './opening.js';
import { mountPanel } from './panel.js';
import { mountReview } from './panel-review.js';
import { sampleSlicesOnce } from './slice_shader.js';
import { setServer, watchRequests } from './stock.js';
import { watchStored } from './stored.js';
import { t } from './texts.js';
import { showTraining } from './training.js';

const serverFacts = window.vhi ?? {};

/** An element as the viewer's React takes it; the panel is plain DOM. */
const element = (type, ref) => ({ $$typeof: Symbol.for('react.element'), type, key: null, ref, props: {}, _owner: null });

function install(config) {
  const session = new ViewerSession(serverFacts);
  window.viewerSession = session; // for tests, and for who looks into the page
  const show = (node) => node && (isReview() ? mountReview : mountPanel)(node, session);
  config.extensions.push({
    id: '@vhi/reading',
    preRegistration: ({ servicesManager }) => watchStored(servicesManager),
    getPanelModule: () => [
      { name: 'vhi', iconName: 'tab-linear', iconLabel: 'VHI', label: 'VHI', component: () => element('div', show) },
    ],
  });
  config.modes.push(readingMode(session));
  provideViews();
  smoothNoEdges();
  sampleSlicesOnce();
  watchWidth();
  setServer();
  loadParts();
  answerFrames();
  watchRequests(() => session.reading);
  lookAheadAlways();
  showTraining();
}

if (serverFacts.viewer_version_found !== serverFacts.viewer_version_expected) {
  showBanner(t('viewer.other_version', { found: serverFacts.viewer_version_found, expected: serverFacts.viewer_version_expected }));
} else {
  try {
    install(window.config);
  } catch (error) {
    showBanner(t('viewer.not_added', { why: error.message }));
  }
}
