/**
 * The colours of a label map. The viewer fills a table of them up to 255, and gives them to its colour function one by one; after each that
 * writes all of them as text, twice, to see whether they are others now.
 */

/** Have the viewer's first drawing of a label map in a viewport find all of its colours there. */
export function setColoursAtOnce(viewportId, segmentationId) {
  const { getSegmentationRepresentations, getColorLUT } = window.cornerstoneTools.segmentation.state;
  const [shown] = getSegmentationRepresentations(viewportId, { segmentationId, type: 'Labelmap' });
  const plain = shown?.config?.cfun;
  if (!plain || plain.isFilled) return;
  const colours = getColorLUT(shown.colorLUTIndex).slice(0, 256);
  plain.setNodes(colours.map(([r, g, b], x) => ({ x, r: r / 255, g: g / 255, b: b / 255, midpoint: 0.5, sharpness: 0 })));
  const isThere = (x, rgb) => {
    const node = [];
    return x < plain.getSize() && plain.getNodeValue(x, node) && node[0] === x && rgb.every((one, n) => one === node[n + 1]);
  };
  const addRGBPoint = (x, ...rgb) => (isThere(x, rgb) ? x : plain.addRGBPoint(x, ...rgb));
  shown.config.cfun = { ...plain, addRGBPoint, isFilled: true };
}
