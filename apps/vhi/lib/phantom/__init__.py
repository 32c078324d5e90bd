"""Synthetic MR of a pelvis, with the truth known."""
