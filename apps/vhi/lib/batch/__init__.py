"""Many scans: which they are, what of them is done, and workers that do the rest."""
