/** MONAI Label's mode with our hanging, our panel, and the viewer's drawing tools. */

import { isReview } from './addresses.js';
import { caseAhead } from './case_ahead.js';
import { PROTOCOL_ID, protocolOf } from './hanging.js';
import { HOTKEYS } from './keys.js';
import { t } from './texts.js';
import { BUTTONS } from './toolbar.js';

export const MODE_ID = '@ohif/mode-monai-label';
const REVIEW = ['@vhi/reading.panelModule.vhi'];
const PANELS = ['@vhi/reading.panelModule.vhi', '@ohif/extension-cornerstone.panelModule.panelSegmentationWithTools'];

/**
 * An entry for the configuration's list of modes; it takes the place of the bundled one of the same id.
 *
 * @param {{opened: Function, ready: Function, closed: Function}} reader told what happens to a case
 */
export function readingMode(reader) {
  return {
    id: MODE_ID,
    modeFactory: async ({ modeConfiguration, loadModules }) => {
      const [bundled] = await loadModules([MODE_ID]);
      return changed(await bundled.modeFactory({ modeConfiguration }), reader);
    },
  };
}

function changed(mode, reader) {
  const { onModeEnter, onModeExit } = mode;
  const [route] = mode.routes;
  const { layoutTemplate } = route;
  route.layoutTemplate = async (given) => {
    const found = await caseAhead(given.studyInstanceUIDs[0]);
    given.servicesManager.services.hangingProtocolService.addProtocol(PROTOCOL_ID, protocolOf(found.case));
    reader.opened(found);
    const layout = layoutTemplate(given);
    layout.props.leftPanelClosed = true; // the list of series is seldom needed; the images get its room
    // no panel that draws, measures or submits
    layout.props.rightPanels = isReview() ? REVIEW : [...PANELS, ...layout.props.rightPanels];
    return layout;
  };
  return Object.assign(mode, {
    displayName: t('viewer.mode'),
    hangingProtocol: PROTOCOL_ID,
    hotkeys: HOTKEYS,
    onModeEnter: (managers) => {
      onModeEnter(managers);
      if (!isReview()) managers.servicesManager.services.toolbarService.addButtons(BUTTONS);
      reader.ready(managers);
    },
    onModeExit: (managers) => {
      reader.closed();
      onModeExit(managers);
    },
  });
}
