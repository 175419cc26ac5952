"""Run the command line with ``python -m acnn``."""

from acnn.cli.main import run

run()
