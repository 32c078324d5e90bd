"""MONAI bundles: a version as one, and the networks of others' as members."""
