/**
 * Views of arrays for `ndarray`, a library inside the viewer that reads the slices of a stored Segmentation. It writes the code of a view
 * as text and has the browser compile it; the policy of this page forbids code made of text, so that it is handed these instead.
 */

// how the code of such a view begins
const WRITTEN = /^(?:'use strict'\n)?function View(?:\d+d|_Nil)[a-z]/;

/** What the viewer uses of a view: an array's elements by their places. */
export class View {
  constructor(data, shape = [], stride = [], offset = 0) {
    Object.assign(this, { data, shape: [...shape], stride: [...stride], offset });
  }

  get dimension() {
    return this.shape.length;
  }

  get size() {
    return this.shape.reduce((size, one) => size * one, 1);
  }

  index(...at) {
    return at.reduce((sum, one, axis) => sum + one * this.stride[axis], this.offset);
  }

  get(...at) {
    return this.data[this.index(...at)];
  }

  set(...at) {
    const value = at.pop();
    return (this.data[this.index(...at)] = value);
  }
}

const construct = (...given) => new View(...given);

/** Hand out these views where the library would have its own compiled; once per page. All other text stays forbidden. */
export function provideViews(scope = window) {
  scope.Function = new Proxy(scope.Function, {
    construct: (plain, texts, made) =>
      WRITTEN.test(texts.at(-1)) ? () => construct : Reflect.construct(plain, texts, made),
  });
}
