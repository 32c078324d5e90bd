"""Which of MONAI's transforms a chain may hold.

Those that change a label map in memory, alike each time. Left out are those that read or write files, run what is given by name,
wait, print, draw at random, or move voxels to another grid.
"""

MONAI_TARGETS = (
    "AsDiscreted",
    "CastToTyped",
    "EnsureTyped",
    "FillHolesd",
    "Identityd",
    "KeepLargestConnectedComponentd",
    "LabelFilterd",
    "MapLabelValued",
    "MaskIntensityd",
    "RemoveSmallObjectsd",
    "ThresholdIntensityd",
)
