"""The imports of a process that measures scans, all at once, for `lib.batch.fork_server`; none of them starts a thread."""

import gc

from .. import examination, provenance  # noqa: F401
from ..batch import batch_folder  # noqa: F401
from ..core import not_measured, pipeline  # noqa: F401
from ..engine import members, runtime  # noqa: F401
from ..post_transforms import chain_file, config_file, outcome, trial  # noqa: F401
from ..reports import content, forms  # noqa: F401
from ..studies import nifti, scan_pair  # noqa: F401
from . import batch, one_scan, proposal  # noqa: F401

# what is imported is no garbage: workers do not look through it, nor copy it as they do
gc.freeze()
