"""The version of this package; in development builds with the commit, as in ``0.1.0 (13540f7, modified)``.

The commit of a checkout (an editable installation) is asked of git. Otherwise it was noted when the package was built:
by CMakeLists.txt together with the kernel, or by pip, if it fetched the sources with git. A release is built from the
source distribution, which has no commit.
"""

from __future__ import annotations

import subprocess
from importlib import metadata
from pathlib import Path

PACKAGE = Path(__file__).parent


def full_version() -> str:
    """Return the version, in development builds with the commit."""
    version, commit = metadata.version("acnn"), _commit()
    return f"{version} ({commit})" if commit else version


def _commit() -> str:
    """Return the short hash of the commit, and whether files differ from it; empty if unknown."""
    if (PACKAGE.parent / ".git").exists():
        described = _described_by_git(PACKAGE.parent)
    elif (PACKAGE / "commit.txt").exists():
        described = (PACKAGE / "commit.txt").read_text(encoding="utf-8").strip()
    else:
        described = _fetched_by_pip()
    return described.replace("-dirty", ", modified")


def _described_by_git(checkout: Path) -> str:
    command = ["git", "--no-optional-locks", "-C", str(checkout), "describe", "--always", "--dirty", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):  # no git, or not the owner's checkout
        return ""


def _fetched_by_pip() -> str:
    """Return the commit of ``pip install git+https://…``, which pip notes in direct_url.json."""
    import json

    origin = metadata.distribution("acnn").read_text("direct_url.json")
    return json.loads(origin).get("vcs_info", {}).get("commit_id", "")[:7] if origin else ""
