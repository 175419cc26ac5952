"""Convex hulls of enthalpies over compositions, by pymatgen: which structures are stable, and how far others are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from ase import Atoms

from acnn.data.airss_res import enthalpy_of, pressure_of
from acnn.extras import optional
from acnn.wording import counted

SAME_PRESSURE = 1.0
"""GPa; what a pressure may differ from others."""
MOST_PLOTTED = 4
"""Elements of a plot."""


class Phase(NamedTuple):
    """A structure beside the hull.

    Attributes:
        name: of the structure.
        formula: reduced.
        group: symbol of the space group, as its file has it.
        enthalpy: eV per atom.
        formation: enthalpy of formation from the elements, eV per atom.
        above: distance from the hull, eV per atom; 0 on it.
        volume: Å³ per atom.
    """

    name: str
    formula: str
    group: str
    enthalpy: float
    formation: float
    above: float
    volume: float


@dataclass(frozen=True)
class Hull:
    """The hull of some structures.

    Attributes:
        elements: chemical symbols.
        pressure: mean of the structures', GPa.
        phases: by their distance from the hull, then by enthalpy of formation.
        left_out: why structures were left out, and how many.
        diagram: the `PhaseDiagram` of pymatgen.
    """

    elements: tuple[str, ...]
    pressure: float
    phases: list[Phase]
    left_out: dict[str, int]
    diagram: Any

    @property
    def stable(self) -> list[Phase]:
        """The phases on the hull."""
        return [phase for phase in self.phases if phase.above == 0]

    def as_dict(self) -> dict[str, Any]:
        """Return the result as JSON has it."""
        phases = [phase._asdict() for phase in self.phases]
        return {"elements": self.elements, "pressure": self.pressure, "left_out": self.left_out, "phases": phases}

    def html(self, within: float = 0.2) -> str:
        """Return a page with an interactive plot of the hull and of what is this near to it, eV per atom.

        It needs no other file and no network.

        Raises:
            ValueError: it has fewer than two or more than four elements.
        """
        require_plottable(len(self.elements))
        plotter = optional("pymatgen.analysis.phase_diagram", "hulls").PDPlotter(
            self.diagram, show_unstable=within, backend="plotly"
        )
        figure = plotter.get_plot()
        figure.update_layout(title=f"{'-'.join(self.elements)} at {self.pressure:.3g} GPa", margin={"t": 100})
        if len(self.elements) == 2:
            figure.update_layout(yaxis_title="enthalpy of formation (eV/atom)")
        return str(figure.to_html(include_plotlyjs=True, full_html=True))


def require_plottable(n_elements: int) -> None:
    """Require as many elements as a plot can show.

    Raises:
        ValueError: there are fewer or more.
    """
    if not 2 <= n_elements <= MOST_PLOTTED:
        raise ValueError(
            f"a plot shows hulls of 2 to {MOST_PLOTTED} elements, and these structures have {n_elements}: leave out "
            "--html"
        )


def hull_of(structures: Sequence[Atoms], pressure: float | None = None) -> Hull:
    """Return the hull of structures with energies; the enthalpy is E + P V with ``info["pressure"]``, or 0.

    Args:
        pressure: GPa; takes the structures within 1 GPa of it. Without it, all must be within 1 GPa of each other.

    Raises:
        ValueError: no structure can be used, pressures differ, or an element has no structure of its own.
    """
    chosen, left_out = _chosen(structures, pressure)
    elements = tuple(sorted({symbol for atoms in chosen for symbol in atoms.symbols}))
    alone = {symbols.pop() for symbols in ({*atoms.symbols} for atoms in chosen) if len(symbols) == 1}
    missing = [element for element in elements if element not in alone]
    if missing:
        raise ValueError(f"a hull needs structures of every element: there is none of pure {', '.join(missing)}")
    library = optional("pymatgen.analysis.phase_diagram", "hulls")
    entries = [
        library.PDEntry(dict(atoms.symbols.formula.count()), enthalpy_of(atoms), name=atoms.info.get("name"))
        for atoms in chosen
    ]
    diagram = library.PhaseDiagram(entries)
    phases = [_phase(atoms, entry, diagram) for atoms, entry in zip(chosen, entries, strict=True)]
    phases.sort(key=lambda phase: (phase.above, phase.formation, phase.name))
    mean = sum(pressure_of(atoms) for atoms in chosen) / len(chosen)
    return Hull(elements, mean, phases, left_out, diagram)


def _chosen(structures: Sequence[Atoms], pressure: float | None) -> tuple[list[Atoms], dict[str, int]]:
    """Return the structures that can be used, and why others cannot."""
    known = [atoms for atoms in structures if atoms.cell.rank == 3 and enthalpy_of(atoms) is not None]
    left_out = {"no energy or no cell": len(structures) - len(known)}
    if pressure is not None:
        near = [atoms for atoms in known if abs(pressure_of(atoms) - pressure) <= SAME_PRESSURE]
        left_out["another pressure"] = len(known) - len(near)
        known = near
    if not known:
        reasons = ", ".join(f"{n} with {reason}" for reason, n in left_out.items() if n)
        raise ValueError(f"none of {counted(len(structures), 'structure')} can be used for a hull: {reasons}")
    pressures = [pressure_of(atoms) for atoms in known]
    if max(pressures) - min(pressures) > 2 * SAME_PRESSURE:
        raise ValueError(
            f"the structures have pressures from {min(pressures):g} to {max(pressures):g} GPa: choose one with "
            "--pressure"
        )
    return known, {reason: n for reason, n in left_out.items() if n}


def _phase(atoms: Atoms, entry: Any, diagram: Any) -> Phase:
    above = float(diagram.get_e_above_hull(entry))
    return Phase(
        str(atoms.info.get("name", "")),
        str(atoms.symbols.formula.reduce()[0]),
        str(atoms.info.get("spacegroup", "n/a")),
        float(entry.energy_per_atom),
        float(diagram.get_form_energy_per_atom(entry)),
        above if above > 1e-9 else 0.0,
        float(atoms.cell.volume) / len(atoms),
    )
