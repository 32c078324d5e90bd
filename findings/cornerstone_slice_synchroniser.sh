#!/bin/sh
# @cornerstonejs/tools 5.14.0 (and the build in OHIF 3.10.0-beta.5): `createImageSliceSynchronizer`, which is to keep the slices of
# viewports together, listens for stacks to `CORNERSTONE_STACK_NEW_IMAGE`, and for volumes to the text `VOLUME_NEW_IMAGE`: the key of the
# event in `Enums.Events` in place of its value, `CORNERSTONE_VOLUME_NEW_IMAGE`. Nothing sends that, so that volume viewports in a sync
# group `imageslice` scroll alone, without an error or a warning.
#
# Seen (Node 20): "CORNERSTONE_STACK_NEW_IMAGE: an event", "VOLUME_NEW_IMAGE: no event". Ends with 1 where that changed. Needs node and npm.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"type": "module", "private": true}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts @cornerstonejs/core@5.14.0 @cornerstonejs/tools@5.14.0 >/dev/null
cat >look.mjs <<'JS'
import { Enums } from '@cornerstonejs/core';
import { synchronizers } from '@cornerstonejs/tools';

const made = synchronizers.createImageSliceSynchronizer('slices');
const sent = Object.values(Enums.Events);
const heard = [made._eventName, ...made._auxiliaryEvents.map(({ name }) => name)];
for (const name of heard) console.log(`${name}: ${sent.includes(name) ? 'an event' : 'no event'}`);
console.log(`a volume's new slice is sent as ${Enums.Events.VOLUME_NEW_IMAGE}`);
process.exit(heard.includes('VOLUME_NEW_IMAGE') && !heard.includes(Enums.Events.VOLUME_NEW_IMAGE) ? 0 : 1);
JS
node look.mjs
