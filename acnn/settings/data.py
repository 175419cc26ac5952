"""Settings of labels: their keys in the data, which of them are used, and their weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainSerializer, model_validator

from acnn.data.dataset import Dataset, read_dataset
from acnn.data.weights import WeightTable
from acnn.settings.base import Section
from acnn.settings.messages import brief
from acnn.strict import shown

PANEL = "Data"


def _brief(files: tuple[Path, ...]) -> str | list[str]:
    names = [str(file) for file in files]
    return names[0] if len(names) == 1 else names


def _listed(value: Any) -> Any:
    return (value,) if isinstance(value, str | Path) else value


Files = Annotated[
    tuple[Path, ...],
    BeforeValidator(_listed, json_schema_input_type=Path | list[Path]),
    PlainSerializer(_brief, return_type=str | list[str], when_used="json"),
    Field(min_length=1),
]
"""One file, folder or pattern such as runs/*/OUTCAR, or a list of them."""
LARGEST_E0 = 1e7
"""eV, absolute value; more than the all-electron energy of the heaviest atom."""
E0 = Annotated[float, Field(ge=-LARGEST_E0, le=LARGEST_E0)]


class LabelSettings(Section):
    """Labels of structures, in eV and Å."""

    energy_key: str | None = Field(
        None,
        description="Key of the energy, eV per cell; or several, REF_energy,energy. Usual names are found.",
        json_schema_extra=shown("a usual name", PANEL),
    )
    forces_key: str | None = Field(
        None, description="Key of the forces, eV/Å.", json_schema_extra=shown("a usual name", PANEL)
    )
    virial_key: str | None = Field(
        None, description="Key of the virial −dE/dε, eV.", json_schema_extra=shown("a usual name", PANEL)
    )
    stress_key: str | None = Field(
        None,
        description="Key of the stress, eV/Å³, positive under tension (ASE).",
        json_schema_extra=shown("a usual name", PANEL),
    )
    max_force: float | None = Field(
        None,
        gt=0,
        le=1e6,
        description="Leave out structures with a larger force, eV/Å.",
        json_schema_extra=shown("a force above 1000 eV/Å is an error", PANEL),
    )
    drop_nan: bool = Field(
        False,
        description="Leave out single labels that are NaN or infinite, instead of refusing the data.",
        json_schema_extra=shown(panel=PANEL),
    )

    format: str | None = Field(
        None,
        description="Format of the files: a name of ASE, or of dpdata, deepmd/npy.",
        json_schema_extra=shown("what each file seems to be", PANEL),
    )
    trust_pickle: bool = Field(
        False,
        description="Read pickled tables of pacemaker. Unpickling runs whatever code a file has.",
        json_schema_extra=shown(panel=PANEL),
    )

    @model_validator(mode="after")
    def _one_of_virial_and_stress(self) -> LabelSettings:
        if self.virial_key and self.stress_key:
            raise ValueError("give virial_key or stress_key, not both")
        return self

    def read(
        self,
        path: Path | Sequence[Path],
        weights: WeightTable | None = None,
        usual_keys: Mapping[str, str] | None = None,
    ) -> Dataset:
        """Read the structures of files with these labels; ``usual_keys`` as in `read_dataset`."""
        return read_dataset(
            path,
            energy_key=self.energy_key,
            forces_key=self.forces_key,
            virial_key=self.virial_key,
            stress_key=self.stress_key,
            usual_keys=usual_keys,
            max_force=self.max_force,
            drop_nan=self.drop_nan,
            format=self.format,
            trust_pickle=self.trust_pickle,
            weights=WeightTable() if weights is None else weights,
        )


class ZeroAndWeights(Section):
    """The zero of energy and the weights of labels."""

    e0: str | dict[str, E0] | None = Field(
        None,
        description="Energies of isolated atoms: isolated (those in the data), lstsq, or values in eV 'Si=-0.8'.",
        json_schema_extra=shown("isolated atoms if there are any, otherwise lstsq", PANEL),
    )
    weights: Path | dict[str, dict[str, float]] | None = Field(
        None,
        description="Weights by config type, {default: {E: 30, F: 1, V: 1}, liquid: {E: 10}}, or a YAML file of them.",
        json_schema_extra=shown("E 30, F 1, V 1", PANEL),
    )

    @model_validator(mode="after")
    def _sound_energies_and_weights(self) -> ZeroAndWeights:
        if self.e0 is not None:
            explicit_energies(self.e0)
        if isinstance(self.weights, dict):
            WeightTable.from_mapping(self.weights)
        return self

    def weight_table(self) -> WeightTable:
        """Return the weights by config type."""
        if isinstance(self.weights, Path):
            return WeightTable.from_yaml(self.weights)
        return WeightTable() if self.weights is None else WeightTable.from_mapping(self.weights)


class FittedLabelSettings(ZeroAndWeights, LabelSettings):
    """Labels that a model is fitted to, with the zero of energy and weights."""


def explicit_energies(e0: str | Mapping[str, float]) -> dict[str, float] | None:
    """Parse E0 by element from "Si=-0.8,O=-1.2" or a mapping; None for the methods "isolated" and "lstsq"."""
    if isinstance(e0, Mapping):
        return {element: float(value) for element, value in e0.items()}
    if e0 in ("isolated", "lstsq"):
        return None
    pairs = [part.split("=") for part in e0.replace(",", " ").split()]
    if pairs and all(len(pair) == 2 and _is_energy(pair[1]) for pair in pairs):
        found = {element: float(value) for element, value in pairs}
        if len(found) == len(pairs):
            return found
    raise ValueError(f"e0 must be isolated, lstsq, or energies in eV such as Si=-0.8,O=-1.2, not {brief(e0)}")


def _is_energy(text: str) -> bool:
    try:
        return abs(float(text)) <= LARGEST_E0
    except ValueError:
        return False
