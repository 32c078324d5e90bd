"""MONAI Label's view of the studies: images are the series of complete pairs, labels are what readers submitted."""
