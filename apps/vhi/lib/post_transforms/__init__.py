"""A site's chain of post-transforms: its file in MONAI's configuration syntax, and our steps as MONAI's dictionary transforms.

MONAI is imported only where a chain names one of its transforms, or where somebody uses `map_transforms`.
"""

from .chain_file import chain_of_record, read_chain, settings_of_stored

__all__ = ["chain_of_record", "read_chain", "settings_of_stored"]
