"""Labels of the reference method: an ASE calculator, or a command that reads and writes extended XYZ."""

from __future__ import annotations

import shlex
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ase.io
from ase import Atoms

from acnn.data.dataset import read_dataset
from acnn.data.frames import error_sentence
from acnn.data.labeling import Labels, calculated, make_calculator
from acnn.settings.hal import ReferenceSettings


@dataclass(frozen=True)
class Reference:
    """What labels structures; it may be sent to other processes.

    Attributes:
        calculator, arguments, command: see `acnn.settings.hal.ReferenceSettings`.
    """

    calculator: str | None
    arguments: Mapping[str, Any] = field(default_factory=dict)
    command: str | None = None

    @classmethod
    def of(cls, settings: ReferenceSettings) -> Reference:
        """Return the reference of the settings."""
        return cls(settings.calculator, settings.arguments, settings.command)

    def require(self) -> None:
        """Require that the calculator can be made.

        Raises:
            ValueError: it cannot.
        """
        if self.calculator is not None:
            make_calculator(self.calculator, self.arguments)

    def labels(self, atoms: Atoms) -> Labels:
        """Label a structure, in a folder of its own."""
        with tempfile.TemporaryDirectory(prefix="acnn-reference-") as folder:
            if self.calculator is None:
                return self._by_command(atoms, Path(folder))
            calculator = make_calculator(self.calculator, self.arguments)
            if hasattr(calculator, "directory"):
                calculator.directory = folder
            return calculated(atoms, calculator)

    def _by_command(self, atoms: Atoms, folder: Path) -> Labels:
        assert self.command is not None
        files = {name: folder / f"{name}.xyz" for name in ("input", "output")}
        ase.io.write(files["input"], atoms, format="extxyz")
        words = [word.format(**files) for word in shlex.split(self.command)]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            said = (done.stderr or done.stdout).strip().splitlines()
            raise RuntimeError(f"{words[0]} failed with status {done.returncode}{': ' + said[-1] if said else ''}")
        if not files["output"].is_file():
            raise RuntimeError(f"{words[0]} wrote no {{output}}")
        (found,) = read_dataset(files["output"])
        return Labels(found.energy, found.forces, found.virial)


def label_all(reference: Reference, structures: Sequence[Atoms], executor: Any) -> list[Labels | str]:
    """Return the labels of structures, or the reason why a calculation failed, in a sentence."""
    futures = [executor.submit(_labels, reference, atoms) for atoms in structures]
    return [_result(future) for future in futures]


def _labels(reference: Reference, atoms: Atoms) -> Labels | str:
    try:
        return reference.labels(atoms)
    except Exception as error:  # whatever its library raises
        return error_sentence(error)


def _result(future: Any) -> Labels | str:
    try:
        found: Labels | str = future.result()
    except Exception as error:  # the process or the job of a cluster ended
        return f"its process ended: {error_sentence(error)}"
    return found
