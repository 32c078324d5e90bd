import assert from 'node:assert/strict';
import { test } from 'node:test';

const { between, circle, gridOf, grown, partAt, polygon, shifted, shrunk, stroke, voxelOf } = await import('../drawing.js');

/** Voxels of one slice as text, a line for each row; all others must be empty. */
function seen({ sizes }, slice, places) {
  const [columns, rows] = sizes;
  const found = new Set(places);
  assert.equal(found.size, places.length);
  const text = Array.from({ length: rows }, (_, j) =>
    Array.from({ length: columns }, (__, i) => (found.delete(i + columns * (j + rows * slice)) ? '#' : '.')).join(''),
  );
  assert.equal(found.size, 0);
  return text;
}

const SQUARE = { sizes: [9, 7, 3], spacing: [1, 1, 4] };
const WIDE = { sizes: [9, 7, 3], spacing: [2, 1, 4] }; // voxels twice as wide as high

test('a brush covers what lies within its radius, in mm along both axes, in its slice alone', () => {
  const dab = (grid, at, radius) => seen(grid, 1, stroke(grid, 1, at, at, radius));
  assert.deepEqual(dab(SQUARE, [4, 3], 2), [
    '.........',
    '....#....',
    '...###...',
    '..#####..',
    '...###...',
    '....#....',
    '.........',
  ]);
  assert.deepEqual(dab(WIDE, [4, 3], 2), [
    '.........',
    '....#....',
    '....#....',
    '...###...',
    '....#....',
    '....#....',
    '.........',
  ]);
  assert.deepEqual(dab(SQUARE, [3.5, 2.5], 0.75), [
    '.........',
    '.........',
    '...##....',
    '...##....',
    '.........',
    '.........',
    '.........',
  ]);
});

test('between two places of the pointer nothing is left out, and a brush smaller than a voxel covers the one that it is in', () => {
  assert.deepEqual(seen(SQUARE, 0, stroke(SQUARE, 0, [2, 2], [6, 2], 1)), [
    '.........',
    '..#####..',
    '.#######.',
    '..#####..',
    '.........',
    '.........',
    '.........',
  ]);
  assert.deepEqual(seen(SQUARE, 2, stroke(SQUARE, 2, [2.4, 3.4], [2.4, 3.4], 0.1)).join(''), `${'.'.repeat(29)}#${'.'.repeat(33)}`);
});

test('at the border of the image a brush covers what lies inside, and outside nothing', () => {
  assert.deepEqual(seen(SQUARE, 2, stroke(SQUARE, 2, [0, 0], [0, 0], 1)), ['##.......', '#........', ...Array(5).fill('.........')]);
  assert.deepEqual(stroke(SQUARE, 1, [-30, 3], [-20, 3], 2), []);
});

test('a circle is one in mm, about the first point through the last', () => {
  assert.deepEqual(seen(WIDE, 1, circle(WIDE, 1, [4, 3], [5.5, 3])), [
    '....#....',
    '...###...',
    '...###...',
    '...###...',
    '...###...',
    '...###...',
    '....#....',
  ]);
  assert.deepEqual(circle(WIDE, 1, [4, 3], [5.5, 3]), circle(WIDE, 1, [4, 3], [4, 0]));
});

test('a polygon covers the voxels whose middle lies in it', () => {
  const corners = [[1.5, 0.5], [4.5, 0.5], [4.5, 2.5], [1.5, 2.5]];
  assert.deepEqual(seen(SQUARE, 0, polygon(SQUARE, 0, corners)), ['.........', '..###....', '..###....', ...Array(4).fill('.........')]);
});

test('lengths of voxels are those of their directions', () => {
  const place = { sizes: [4, 5, 6], directions: [[0, 0.6, 0.8], [2, 0, 0], [0, -3.2, 2.4]] };
  assert.deepEqual(gridOf(place), { sizes: [4, 5, 6], spacing: [1, 2, 4] });
});

/** Places of one slice from text. */
const places = ({ sizes: [columns, rows] }, slice, text) =>
  text.flatMap((row, j) => [...row].flatMap((one, i) => (one === '#' ? [i + columns * (j + rows * slice)] : [])));

const PARTS = ['##.....#.', '..#....#.', '..#......', '.........', '.....###.', '.....###.', '.....###.'];

test('a part is what hangs together with a voxel in its slice, by sides and corners', () => {
  const drawn = new Set([...places(SQUARE, 1, PARTS), ...places(SQUARE, 2, PARTS)]);
  const part = (voxel) => seen(SQUARE, voxel[2], partAt(SQUARE, voxel, (n) => drawn.has(n)));
  assert.deepEqual(part([0, 0, 1]), ['##.......', '..#......', '..#......', ...Array(4).fill('.........')]);
  assert.deepEqual(part([7, 1, 2]), ['.......#.', '.......#.', ...Array(5).fill('.........')]);
  assert.deepEqual(part([8, 0, 1]), Array(7).fill('.........'));
  assert.deepEqual(part([-1, 0, 1]), Array(7).fill('.........'));
});

test('a part grows and shrinks by mm in its slice, not over the border of the image', () => {
  const square = places(SQUARE, 1, [...Array(4).fill('.........'), '.....###.', '.....###.', '.....###.']);
  const cross = ['.........', '.........', '.........', '.....###.', '....#####', '....#####', '....#####'];
  assert.deepEqual(seen(SQUARE, 1, grown(SQUARE, square, 1)), cross);
  assert.deepEqual(seen(SQUARE, 1, shrunk(SQUARE, grown(SQUARE, square, 1), 1)).slice(4), ['.....###.', '.....####', '.....####']);
  assert.deepEqual(seen(SQUARE, 1, shrunk(SQUARE, square, 1)).slice(4), ['.........', '......#..', '......#..']);
  assert.deepEqual(shrunk(SQUARE, square, 2), []);
  assert.deepEqual(seen(WIDE, 1, grown(WIDE, places(WIDE, 1, ['.........', '.........', '.........', '....#....']), 1)).slice(1, 6), [
    '.........',
    '....#....',
    '....#....',
    '....#....',
    '.........',
  ]);
});

test('a part is copied to the same places of another slice', () => {
  const part = places(SQUARE, 1, PARTS);
  assert.deepEqual(seen(SQUARE, 2, shifted(SQUARE, part, 1)), PARTS);
  assert.deepEqual(seen(SQUARE, 0, shifted(SQUARE, part, -1)), PARTS);
  assert.deepEqual(voxelOf(SQUARE.sizes, shifted(SQUARE, part, 1)[2]), [7, 0, 2]);
});

test('between two parts the shape goes from one to the other, nearer to the nearer one, and in the slices between alone', () => {
  const grid = { sizes: [9, 7, 5], spacing: [1, 1, 4] };
  const blank = '.........';
  const wide = places(grid, 0, [blank, blank, blank, '.#######.']);
  const narrow = places(grid, 4, [blank, blank, blank, '....#....']);
  // away from the middle by x the wide one is 1 at most (its border is above and below), then x - 3 outside; the narrow one is 1 - 0, then x outside
  const rows = (k) => between(grid, wide, narrow).filter((n) => voxelOf(grid.sizes, n)[2] === k);
  const row = (text) => [blank, blank, blank, text, blank, blank, blank];
  assert.deepEqual(seen(grid, 1, rows(1)), row('.#######.')); // 3/4 - 3/4 is on the border at x = 3
  assert.deepEqual(seen(grid, 2, rows(2)), row('...###...')); // 1/2 - 1/2
  assert.deepEqual(seen(grid, 3, rows(3)), row('....#....')); // 1/4 - 3/4 at x = 1
  assert.deepEqual([...rows(1), ...rows(2), ...rows(3)].length, between(grid, wide, narrow).length);
  assert.deepEqual(new Set(between(grid, narrow, wide)), new Set(between(grid, wide, narrow)));
});

test('between two equal parts lies the same, and between circles of 5 and 3 mm one of 4', () => {
  const grid = { sizes: [15, 13, 3], spacing: [1, 1, 4] };
  const large = circle(grid, 0, [7, 6], [12, 6]);
  assert.deepEqual(between(grid, large, shifted(grid, large, 2)).sort(), shifted(grid, large, 1).sort());
  const found = new Set(between(grid, large, circle(grid, 2, [7, 6], [10, 6])));
  circle(grid, 1, [7, 6], [10.9, 6]).forEach((n) => assert.ok(found.has(n)));
  const most = new Set(circle(grid, 1, [7, 6], [11.5, 6]));
  found.forEach((n) => assert.ok(most.has(n)));
});

test('between two parts of which none lies over the other the shape moves on a straight way', () => {
  const grid = { sizes: [9, 7, 4], spacing: [1, 1, 4] };
  const blank = '.........';
  const from = places(grid, 0, [blank, '##.......', '##.......']);
  const to = places(grid, 3, [blank, blank, blank, blank, '......##.', '......##.']);
  const rows = (one, other, k) => seen(grid, k, between(grid, one, other).filter((n) => voxelOf(grid.sizes, n)[2] === k));
  for (const [one, other] of [[from, to], [to, from]]) {
    assert.deepEqual(rows(one, other, 1), [blank, blank, '..##.....', '..##.....', blank, blank, blank]);
    assert.deepEqual(rows(one, other, 2), [blank, blank, blank, '....##...', '....##...', blank, blank]);
  }
});
