"""The paper's tables and figures from the authors' public repository, ours beside theirs; docs/reproduce.md."""
