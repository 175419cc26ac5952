"""Settings of hyperactive learning: the sections of the YAML file of ``acnn hal``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from acnn.basis.specification import Degrees
from acnn.settings.base import Section, put_at, read_mapping, validated
from acnn.settings.data import ZeroAndWeights
from acnn.settings.linear import LinearSettings
from acnn.strict import shown

Kelvin = Annotated[float, Field(gt=0, le=1e6)]
Strength = Annotated[float, Field(ge=0, le=100)]


class ReferenceSettings(Section):
    """What labels structures: an ASE calculator, or a command."""

    calculator: str | None = Field(
        None,
        examples=["ase.calculators.emt:EMT"],
        description="ASE calculator, MODULE:CLASS, such as tblite.ase:TBLite.",
    )
    arguments: dict[str, Any] = Field({}, description="Its arguments, {method: GFN2-xTB}.")
    command: str | None = Field(
        None,
        description="Instead of a calculator: a command that reads the structure in {input} and writes it with energy "
        "and forces to {output}, both extended XYZ: 'label.py {input} {output}'.",
    )
    jobs: int = Field(
        1, ge=1, le=10_000, description="Calculations at the same time, each in a process or job of its own."
    )
    slurm: dict[str, Any] | None = Field(
        None,
        description="Submit calculations as jobs of Slurm, with these parameters of submitit: {slurm_partition: cpu, "
        "timeout_min: 120, cpus_per_task: 4}. Needs submitit.",
    )
    max_force: float = Field(
        30.0, gt=0, le=1e6, description="A structure with a larger force is not learned from, eV/Å."
    )

    @model_validator(mode="after")
    def _one_of_calculator_and_command(self) -> ReferenceSettings:
        if (self.calculator is None) == (self.command is None):
            raise ValueError("give calculator, MODULE:CLASS, or command: one of them labels the structures")
        if self.command is not None and not all(part in self.command for part in ("{input}", "{output}")):
            raise ValueError("command must contain {input} and {output}, the names of the files it reads and writes")
        if self.arguments and self.command is not None:
            raise ValueError("arguments are those of a calculator: write those of the command into the command")
        return self


class HALFitSettings(LinearSettings, ZeroAndWeights):
    """The linear model; order and degree are those of the largest basis."""

    degree: Degrees | None = Field(  # type: ignore[assignment]
        None,
        description="Total degree Σ(n + w_L l) of the largest basis: one number, or one per order '14,12,10'.",
        json_schema_extra=shown("the largest with growth.functions functions"),
    )
    members: int = Field(16, ge=2, le=1000, description="Members of the committee, K.")


class GrowthSettings(Section):
    """How the basis grows with the data."""

    every: int = Field(
        5, ge=0, le=10_000, description="Iterations between two choices of the basis; 0: always the largest."
    )
    functions: int = Field(500, ge=10, le=20_000, description="Functions it may have.")
    criterion: Literal["evidence", "bic"] = Field(
        "evidence", description="What decides: evidence; bic prefers smaller ones."
    )


class BiasSettings(Section):
    """What drives the dynamics, and what stops it."""

    strength: Strength | tuple[Strength, Strength] = Field(
        0.2,
        description="Strength τ_r of the bias, in parts of the forces of the model: a number, or [from, to] over a "
        "run. 0: none, as in learning on the fly.",
    )
    flag: Literal["forces", "gamma"] = Field(
        "forces",
        description="What calls for a label: forces: the largest relative uncertainty of a force, f; gamma: the "
        "largest extrapolation grade γ of an atom.",
    )
    tolerance: float = Field(0.2, gt=0, le=1e6, description="f, or γ, beyond which a structure is labeled.")
    epsilon: float = Field(0.2, gt=0, le=100, description="ε that is added to the force in f, eV/Å.")


class HALDynamicsSettings(Section):
    """Molecular dynamics (Langevin) and Monte Carlo moves of one run."""

    temperature: Kelvin | tuple[Kelvin, Kelvin] = Field(
        500.0, description="K: a number, or [from, to] over a run, [300, 1500]."
    )
    steps: int = Field(2000, ge=1, le=100_000_000, description="Steps of a run.")
    timestep: float = Field(1.0, ge=0.001, le=100, description="fs.")
    friction: float = Field(0.01, gt=0, le=10, description="Of Langevin dynamics, 1/fs.")
    check: int = Field(5, ge=1, le=10_000, description="Steps between two looks at the uncertainty.")
    pressure: float = Field(0.0, ge=-1000, le=10_000, description="GPa, of moves of the cell.")
    cell: int = Field(
        0,
        ge=0,
        le=1_000_000,
        description="Steps between two trials to change the cell (volume, shear, stretch in turn); 0: none.",
    )
    swap: int = Field(
        0,
        ge=0,
        le=1_000_000,
        description="Steps between two trials to exchange two atoms of different elements; 0: none.",
    )
    closest: float = Field(
        0.5,
        ge=0,
        lt=1,
        description="Structures with shorter distances, in bond lengths, are not labeled: that before is.",
    )


class StopSettings(Section):
    """When learning ends."""

    iterations: int = Field(100, ge=0, le=100_000, description="At most so many iterations.")
    quiet: int = Field(2, ge=1, le=10_000, description="Or when so many iterations in succession ended without a flag.")


class HALSettings(Section):
    """All settings of ``acnn hal``, in Å, eV, K and fs; ``acnn hal --settings`` prints them."""

    structures: Path = Field(
        examples=["start.xyz"],
        description="1 to 10 structures to start from, any file ASE reads; the reference labels them.",
    )
    data: Path | None = Field(
        None, description="Labeled structures to learn from as well, extended XYZ.", json_schema_extra=shown("none")
    )
    output: Path = Field(
        examples=["hal"],
        description="Folder to write: labels.db, model.acnn, hal.csv, hal.png, hal.html.",
        json_schema_extra=shown(panel="Options"),
    )
    reference: ReferenceSettings = Field(description="What labels structures.")
    fit: HALFitSettings = Field(HALFitSettings.model_validate({}), description="The linear model.")
    growth: GrowthSettings = Field(GrowthSettings.model_validate({}), description="Growth of the basis.")
    bias: BiasSettings = Field(BiasSettings.model_validate({}), description="What drives and stops a run.")
    dynamics: HALDynamicsSettings = Field(HALDynamicsSettings.model_validate({}), description="A run of dynamics.")
    stop: StopSettings = Field(StopSettings.model_validate({}), description="When learning ends.")
    walkers: int = Field(
        1, ge=1, le=1000, description="Runs in an iteration, from the structures in turn, each in a process of its own."
    )
    seed: int = Field(0, ge=0, lt=2**32, description="Random seed.")


def read_hal_settings(path: Path, given: Mapping[str, Any]) -> HALSettings:
    """Read settings from a YAML file, overridden by others with dotted names: {"stop.iterations": 10}."""
    values = read_mapping(path, "structures: start.xyz")
    for name, value in given.items():
        put_at(values, name, value)
    return hal_settings(values)


def hal_settings(values: HALSettings | Mapping[str, Any]) -> HALSettings:
    """Validate settings.

    Raises:
        SettingsError: they are invalid; the message is one sentence per setting.
    """
    settings: HALSettings = validated(HALSettings, values)
    return settings
