/** Tools that the pointer may hold over the images. */

export const VIEW = 'WindowLevel'; // none: the pointer sets the window
export const DRAWING = ['brush', 'eraser', 'circle', 'rectangle'];
export const CLEANING = ['remove', 'restore', 'only'];
export const BONE_CLICK = 'bone';
export const SPLIT = 'split';
export const RADIUS_MM = { least: 1, most: 20, step: 0.5 }; // of brush and eraser
