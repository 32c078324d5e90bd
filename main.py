"""Launcher: `python main.py <command>` runs the command line in apps/vhi."""

import runpy
from pathlib import Path

if __name__ == "__main__":
    runpy.run_path(str(Path(__file__).resolve().parent / "apps" / "vhi"), run_name="__main__")
