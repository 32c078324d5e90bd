/** Where slices lie in space. */

const PARALLEL = 0.999;

/**
 * The slice of a volume that lies nearest to a point, and the point moved onto it along the normal of the slices.
 *
 * @param {{dimensions: number[], spacing: number[], direction: number[], origin: number[]}} volume
 * @param {number[]} point [mm]
 * @param {number[]} normal of the plane that is shown; a plane that is none of the volume's slices stays where the point is
 * @returns {{slice: number|null, point: number[], away: number, spacing: number}} `away` is how far the point lies from the slice [mm]
 */
export function nearestSlice({ dimensions, spacing, direction, origin }, point, normal) {
  const along = [...direction].slice(6, 9);
  const dot = (one, other) => one.reduce((sum, value, n) => sum + value * other[n], 0);
  const [count, apart] = [dimensions[2], spacing[2]];
  if (Math.abs(dot(along, normal)) < PARALLEL) return { slice: null, point: [...point], away: 0, spacing: apart };
  const at = dot(point.map((value, n) => value - origin[n]), along) / apart;
  const slice = Math.min(Math.max(Math.round(at), 0), count - 1);
  const moved = point.map((value, n) => value + (slice - at) * apart * along[n]);
  return { slice, point: moved, away: Math.abs(at - slice) * apart, spacing: apart };
}

/** The intensity of the voxel at a point in space; undefined outside the volume. */
export function valueAt({ imageData, dimensions, voxelManager }, world) {
  const voxel = [...imageData.worldToIndex(world)].map(Math.round);
  const isInside = voxel.every((n, axis) => n >= 0 && n < dimensions[axis]);
  return isInside ? voxelManager.getAtIJK(...voxel) : undefined;
}
