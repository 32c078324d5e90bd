"""Keep or remove: what lesions look like, where they lie, and a small model of what readers did with such ones."""
