"""The ensemble learns from what readers corrected, and never gets worse: candidates, quarantine, fine-tuning, gate."""
