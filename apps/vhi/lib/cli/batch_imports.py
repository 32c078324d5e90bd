"""The imports of a process that measures scans, all at once, for `lib.fork_server`; none of them starts a thread.

A command that has ended meanwhile, because of its arguments or as all is done, is not kept waiting for the rest of them: who
reads what it says would wait for this process, which has its output too.
"""

import gc
import os
from importlib import import_module

MODULES = (
    "batch.workers",
    "examination",
    "provenance",
    "batch.batch_folder",
    "core.not_measured",
    "core.pipeline",
    "engine.members",
    "engine.runtime",
    "post_transforms.chain_file",
    "post_transforms.config_file",
    "post_transforms.outcome",
    "post_transforms.trial",
    "reports.content",
    "reports.forms",
    "studies.nifti",
    "studies.scan_pair",
    "cli.batch",
    "cli.one_scan",
    "cli.proposal",
)

_command = os.getppid()
for _name in MODULES:
    if os.getppid() != _command:
        os._exit(0)
    import_module(f"{__package__.rpartition('.')[0]}.{_name}")
# what is imported is no garbage: workers do not look through it, nor copy it as they do
gc.freeze()
