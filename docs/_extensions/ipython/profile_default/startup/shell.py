"""Shell cells of the documentation; %%bash of IPython shows output in pieces of a hundred bytes, and progress bars."""

import subprocess

from IPython.core.magic import register_cell_magic


@register_cell_magic
def bash(line: str, cell: str) -> None:
    """Run the cell, print what it prints, and fail with its errors where it fails."""
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", cell], capture_output=True, text=True)
    print(done.stdout, end="")
    if done.returncode:
        raise RuntimeError(f"status {done.returncode}\n{done.stderr}")
