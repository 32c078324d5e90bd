"""What this CPU is good at."""

from __future__ import annotations

import os

import torch

from ..cores import usable_cores


def bf16_matrix_units() -> bool:
    """Whether this CPU multiplies bfloat16 matrices in hardware; elsewhere bfloat16 is slower than float32."""
    return bool(torch.cpu.get_capabilities().get("amx_bf16", False))


def autocast() -> torch.autocast:
    """bfloat16 where the CPU is fast at it, else plain float32."""
    return torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16_matrix_units())


def available_cores() -> int:
    """Cores that this process may run on: fewer than the machine's in a container; `OMP_NUM_THREADS` asks for fewer still."""
    cores = usable_cores()
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return min(cores, int(asked)) if asked.isdigit() and int(asked) > 0 else cores
