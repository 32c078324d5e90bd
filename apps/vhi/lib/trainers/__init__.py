"""Training from a running server: in a process of its own, started and stopped by MONAI Label's clients."""
