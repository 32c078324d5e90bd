"""Training an ensemble: its networks side by side, folds by subject, what they reach, and the version they become."""
