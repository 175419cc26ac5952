"""`acnn --version`: the version, and in development builds the commit."""

from __future__ import annotations

import subprocess
from importlib import metadata
from pathlib import Path

import pytest

from acnn import version as module
from acnn.failures import versions
from acnn.version import full_version

RELEASE = metadata.version("acnn")


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=nobody", "-c", "user.email=nobody@example.org"]
    command = ["git", "-C", str(folder), *identity, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone in which the package lies, with one commit."""
    monkeypatch.setattr(module, "PACKAGE", tmp_path / "acnn")
    (tmp_path / "acnn").mkdir()
    (tmp_path / "acnn" / "file").write_text("1")
    try:
        git(tmp_path, "init")
    except FileNotFoundError:
        pytest.skip("there is no git")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "first")
    return tmp_path


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a package that lies in no checkout."""
    monkeypatch.setattr(module, "PACKAGE", tmp_path)
    monkeypatch.setattr(module, "_fetched_by_pip", lambda: "")
    return tmp_path


def test_in_a_checkout_the_commit_is_shown(checkout):
    git(checkout, "tag", "-a", "v9", "-m", "a tag")  # which git describe would name instead
    assert full_version() == f"{RELEASE} ({git(checkout, 'rev-parse', '--short', 'HEAD')})"


def test_changed_files_are_mentioned(checkout):
    (checkout / "acnn" / "file").write_text("2")
    assert full_version() == f"{RELEASE} ({git(checkout, 'rev-parse', '--short', 'HEAD')}, modified)"


@pytest.mark.parametrize("problem", [FileNotFoundError("git"), subprocess.TimeoutExpired("git", 10)])
def test_without_git_there_is_no_commit(checkout, problem, monkeypatch):
    def fail(*arguments, **options):
        raise problem

    monkeypatch.setattr(subprocess, "run", fail)
    assert full_version() == RELEASE


def test_a_build_of_a_clone_has_its_commit(installed):
    (installed / "commit.txt").write_text("0123abc-dirty")
    assert full_version() == f"{RELEASE} (0123abc, modified)"


def test_a_release_has_none(installed):
    assert full_version() == RELEASE


@pytest.mark.parametrize(
    ("origin", "commit"),
    [
        ('{"url": "https://example.org/acnn", "vcs_info": {"vcs": "git", "commit_id": "0123456789abcdef"}}', "0123456"),
        ('{"url": "file:///somewhere/acnn", "dir_info": {}}', ""),
        (None, ""),
    ],
)
def test_pip_notes_what_it_fetched_with_git(origin, commit, monkeypatch):
    distribution = type("Distribution", (), {"read_text": lambda self, name: origin})
    monkeypatch.setattr(metadata, "distribution", lambda name: distribution())
    assert module._fetched_by_pip() == commit


def test_reports_of_bugs_have_the_commit(installed):
    (installed / "commit.txt").write_text("0123abc")
    assert f"acnn {RELEASE} (0123abc), Python" in versions()
