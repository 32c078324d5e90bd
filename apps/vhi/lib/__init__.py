"""Everything that VHI does, one room a subject; docs/architecture.md has the rooms."""

# the one place that holds the version: pyproject.toml reads it here, and every result tells it
__version__ = "0.2.0"
