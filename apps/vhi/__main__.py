"""The command line: `vhi`, `python -m vhi`, and what main.py runs."""

import sys
from pathlib import Path

# The modules are `lib` here, as under MONAI Label, which `serve` starts in this process; `import vhi` has them as `vhi.lib`. The
# processes that commands start find them by this path too.
APP_DIR = str(Path(__file__).resolve().parent)
if APP_DIR not in sys.path:
    sys.path.insert(0, APP_DIR)

from lib.cli import app  # noqa: E402


def main() -> None:
    """Run the command `vhi`."""
    app.main("vhi")


if __name__ == "__main__":
    app.main("vhi" if __package__ else "main.py")
