"""The command line starts without torch, and still knows what its commands are."""

from __future__ import annotations

import subprocess
import sys

import pytest

from acnn.cli.main import COMMANDS, app, definition

PROGRAM = """
import atexit, sys

atexit.register(lambda: print(sorted({"torch", "ase", "scipy", "numpy"} & set(sys.modules)), file=sys.stderr))
from acnn.cli.main import app

app()
"""


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["--show-completion", "bash"], ["nonsense"], []])
def test_what_needs_no_model_imports_nothing_heavy(arguments: list[str]) -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM, *arguments], capture_output=True, text=True)
    assert done.stderr.splitlines()[-1] == "[]", done.stderr


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_of_commands_says_what_each_says_itself(name: str) -> None:
    found = definition(name)
    help_text = found.info.help if hasattr(found, "registered_commands") else found.__doc__
    assert help_text.split("\n")[0] == COMMANDS[name]


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        ("acnn f", ["fit"]),
        ("acnn fit --solver r", ["rrqr"]),
        ("acnn lammps do", ["doctor"]),
        ("acnn info --no-such", []),
    ],
)
def test_the_shell_completes_commands_options_and_choices(
    words: str, completed: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = {"_ACNN_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    for name, value in asked.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit):
        app(prog_name="acnn")
    assert capsys.readouterr().out.split() == completed


@pytest.mark.slow
def test_public_names_come_when_they_are_used() -> None:
    program = "import sys, acnn; assert 'torch' not in sys.modules; acnn.LinearACE; assert 'torch' in sys.modules"
    program += "; import ase_calculator; ase_calculator.ACNNCalculator; acnn.load_model"
    program += "; assert 'scipy.stats' not in sys.modules"  # half a second
    subprocess.run([sys.executable, "-c", program], check=True)
