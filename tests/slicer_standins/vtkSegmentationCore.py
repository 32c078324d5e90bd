"""Stand-in for Slicer's `vtkSegmentationCore`: needed for scribbles alone, which this server does not offer."""
