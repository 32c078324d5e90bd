/** How a case hangs: STIR beside T1W, in the plane they were acquired in. What moves them together is in linked_views.js. */

export const PROTOCOL_ID = 'vhi';

const series = (uid) => ({
  seriesMatchingRules: [{ weight: 1, attribute: 'SeriesInstanceUID', required: true, constraint: { equals: { value: uid } } }],
});

const anyMr = {
  seriesMatchingRules: [{ weight: 1, attribute: 'Modality', required: true, constraint: { equals: { value: 'MR' } } }],
};

function viewport(id) {
  return {
    viewportOptions: {
      viewportId: `vhi-${id}`,
      toolGroupId: 'default',
      viewportType: 'volume',
      orientation: 'acquisition',
      initialImageOptions: { preset: 'middle' },
    },
    displaySets: [{ id }],
  };
}

/** The viewer's hanging protocol for a case; for a study that is none, whatever MR series it has. */
export function protocolOf(found) {
  const sides = found ? { stir: series(found.stir), t1w: series(found.t1w) } : { mr: anyMr };
  const ids = Object.keys(sides);
  return {
    id: PROTOCOL_ID,
    name: 'VHI',
    locked: true,
    protocolMatchingRules: [],
    toolGroupIds: ['default'],
    displaySetSelectors: sides,
    defaultViewport: viewport(ids[0]),
    stages: [
      {
        name: 'VHI',
        viewportStructure: { layoutType: 'grid', properties: { rows: 1, columns: ids.length } },
        viewports: ids.map(viewport),
      },
    ],
  };
}
