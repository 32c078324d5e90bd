"""Drawing only: every module draws a result that it is given, and measures nothing; the larger ones load matplotlib."""
