"""Masks against reference masks, case by case and together: overlap, surfaces in mm, lesions found."""

from .agreement import MaskAgreement, compare_masks
from .summary import RULES, EvaluationSummary, summarise

__all__ = ["RULES", "EvaluationSummary", "MaskAgreement", "compare_masks", "summarise"]
