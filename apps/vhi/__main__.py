"""The command line: `vhi`, `python -m vhi`, and what main.py runs."""

import signal
import sys
from pathlib import Path

# Ctrl-C while the command is still being imported ends it without a traceback; `OneSentence` takes it from there
if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)

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
