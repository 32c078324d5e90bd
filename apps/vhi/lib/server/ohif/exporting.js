/**
 * Export of the viewer's own DICOM Segmentation, mended: it forgets where to store, and writes slices of a series whose instance
 * numbers rise along the slice normal upside down, because its writer sorts the images by position and the masks not.
 */

const COMMANDS = ['storeSegmentation', 'downloadSegmentation', 'generateSegmentation'];

/** Mend the commands; once per page. */
export function mendExport(commandsManager, extensionManager) {
  const commands = commandsManager.getContext('SEGMENTATION') ?? {};
  for (const name of COMMANDS) {
    const plain = commands[name]?.commandFn;
    if (!plain || plain.isMended) continue;
    const mended = async (options) => {
      const putBack = sortByPosition(options.segmentationId);
      try {
        return await plain({ dataSource: extensionManager.getActiveDataSource()[0], ...options });
      } finally {
        putBack();
      }
    };
    mended.isMended = true;
    commands[name].commandFn = mended;
  }
}

/** Positions along the normal that rows and columns span. */
export function along(plane) {
  const { rowCosines: r, columnCosines: c, imagePositionPatient: p } = plane;
  const normal = [r[1] * c[2] - r[2] * c[1], r[2] * c[0] - r[0] * c[2], r[0] * c[1] - r[1] * c[0]];
  return normal.reduce((sum, one, n) => sum + one * p[n], 0);
}

/** Put a segmentation's images into the writer's order; gives what puts them back. */
function sortByPosition(segmentationId) {
  const { cache, metaData } = window.cornerstone;
  const labelmap = window.cornerstoneTools.segmentation.state.getSegmentation(segmentationId)?.representationData.Labelmap;
  if (!labelmap) return () => {};
  const before = labelmap.imageIds;
  const at = new Map(before.map((id) => [id, along(metaData.get('imagePlaneModule', cache.getImage(id).referencedImageId))]));
  labelmap.imageIds = [...before].sort((one, other) => at.get(other) - at.get(one));
  return () => {
    labelmap.imageIds = before;
  };
}
