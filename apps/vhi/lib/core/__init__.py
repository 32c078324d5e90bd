"""The method: arrays and numbers. Needs numpy, scipy and scikit-image, and nothing else of this project but `lib.errors`."""
