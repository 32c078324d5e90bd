"""Reading and pairing what lies on disk."""
