/** Tools that the pointer may hold over the images. */

export const VIEW = 'WindowLevel'; // none: the pointer sets the window
export const DRAWING = ['CircularBrush', 'CircularEraser', 'CircleScissor', 'RectangleScissor'];
export const CLEANING = ['remove', 'restore', 'only'];
export const BONE_CLICK = 'bone';
export const SPLIT = 'split';
