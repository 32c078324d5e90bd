"""Readers' submissions: kept for good, never overwritten, one reader's apart from another's."""
