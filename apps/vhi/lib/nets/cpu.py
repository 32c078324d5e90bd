"""The abilities of this CPU."""

from __future__ import annotations

import torch


def bf16_matrix_units() -> bool:
    """Whether this CPU multiplies bfloat16 matrices in hardware; elsewhere bfloat16 is slower than float32."""
    return bool(torch.cpu.get_capabilities().get("amx_bf16", False))


def bf16_training() -> bool:
    """Whether training steps are faster in bfloat16: by matrix units, or by AVX-512 with bfloat16 (measured 1.6 times)."""
    return bf16_matrix_units() or bool(torch.cpu.get_capabilities().get("avx512_bf16", False))


def training_dtype() -> torch.dtype:
    """The faster number type on this CPU where the last bits do not matter."""
    return torch.bfloat16 if bf16_training() else torch.float32


def autocast() -> torch.autocast:
    """bfloat16 where the CPU is fast at it, else plain float32."""
    return torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16_training())
