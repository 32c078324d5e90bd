"""The imports of a process that trains, all at once, for `lib.fork_server`; none of them starts a thread.

The first optimiser of a process imports `torch._dynamo`, which takes a second of the processor.
"""

import gc

import torch._dynamo  # noqa: F401

from . import engine_file, fit  # noqa: F401

# what is imported so far is no garbage: the processes do not look through it, nor copy it as they do
gc.freeze()
