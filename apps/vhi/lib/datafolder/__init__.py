"""A server's data folder as a whole: checked and mended, by the rules of each of its rooms."""
