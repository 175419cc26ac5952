"""Faults of single labels: missing, constant, contradictory to symmetry, far outside the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from acnn.data.dataset import Dataset, LabeledStructure
from acnn.data.findings import Finding, examples
from acnn.data.isolated_atoms import is_isolated
from acnn.data.pair_features import Environment
from acnn.data.virial_symmetry import ASYMMETRY, asymmetry
from acnn.wording import counted

NET = 0.05
"""eV/Å, |Σ F| / √N; rounding of labels stays below."""
MOST_OF_OTHERS, NINE_OF_TEN, LARGE_FORCE = 12.0, 90, 15.0
"""A largest force of more than so many times the 90th percentile of the others, and of so many eV/Å, is an outlier."""
ASYMMETRIC = 0.01
"""1/Å; `Environment.asymmetry` of an atom on which no symmetry forbids a force."""
SAME = 1e-9
PER_ATOM = 0.2
"""Energies are per atom if they vary so much less, as a share, when they are read as such."""


def check_missing(dataset: Dataset) -> Iterator[Finding]:
    """Find structures without a label that others have."""
    several = [s for s in dataset if not is_isolated(s.atoms)]
    kinds = {
        "energies": (several, [s.energy is None for s in several]),
        "forces": (several, [s.forces is None for s in several]),
        "virials": ([s for s in several if s.atoms.pbc.all()], None),
    }
    for kind, (structures, missing) in kinds.items():
        gone = [s.virial is None for s in structures] if missing is None else missing
        without = [s for s, is_gone in zip(structures, gone, strict=True) if is_gone]
        if 0 < len(without) < len(structures):
            text = f"{len(without)} of {counted(len(structures), 'structure')} have none: {examples(without)}"
            yield Finding(f"missing {kind}", text)
    for what, n in dataset.dropped.items():
        yield Finding("no numbers", f"{what} of {counted(n, 'structure')}: NaN, infinite or beyond all calculations")


def check_constant(dataset: Dataset, environments: Sequence[Environment]) -> Iterator[Finding]:
    """Find labels that do not depend on the structure."""
    energies = [s.energy / len(s) for s in dataset if s.energy is not None]
    differ = len({tuple(np.round(e.features, 6)) for e in environments}) > 1
    if len(energies) > 2 and differ and np.ptp(energies) < SAME:
        yield Finding("constant energies", f"all are {energies[0]:.6g} eV/atom, although the structures differ")
    pairs = list(zip(dataset, environments, strict=True))
    zero = [s for s, e in pairs if s.forces is not None and not s.forces.any() and e.asymmetry > ASYMMETRIC]
    if zero:
        yield Finding("zero forces", f"{counted(len(zero), 'structure')} without symmetry: {examples(zero)}")
    none = [s for s in dataset if s.virial is not None and not s.virial.any() and not is_isolated(s.atoms)]
    if none:
        yield Finding("zero virials", f"{counted(len(none), 'structure')}: {examples(none)}")


def check_forces(dataset: Dataset) -> Iterator[Finding]:
    """Find net forces and forces far above those of other structures."""
    labeled = [s for s in dataset if s.forces is not None]
    net = [s for s in labeled if s.forces is not None and _net(s) > NET * np.sqrt(len(s))]
    if net:
        worst = max(net, key=_net)
        text = f"{counted(len(net), 'structure')}, {_net(worst):.3g} eV/Å in {worst.name}: {examples(net)}"
        yield Finding("net forces", text)
    largest = np.array([s.max_force for s in labeled])
    if len(largest) > 2:
        usual = float(np.percentile(largest, NINE_OF_TEN, method="lower"))
        out = [s for s in labeled if s.max_force > max(MOST_OF_OTHERS * usual, LARGE_FORCE)]
        if out:
            peak = max(s.max_force for s in out)
            text = f"{counted(len(out), 'structure')}, up to {peak:.3g} eV/Å, where 90 % stay below {usual:.3g}"
            yield Finding("force outliers", f"{text}: {examples(out)}")


def _net(structure: LabeledStructure) -> float:
    assert structure.forces is not None
    return float(np.linalg.norm(structure.forces.sum(axis=0)))


def check_virials(dataset: Dataset) -> Iterator[Finding]:
    """Find virials that are not symmetric."""
    bad = [s for s in dataset if s.virial is not None and asymmetry(s.virial) > ASYMMETRY]
    if bad:
        text = f"{counted(len(bad), 'structure')}: check the order of the nine numbers, xx xy xz yx yy yz zx zy zz"
        yield Finding("asymmetric virials", f"{text}: {examples(bad)}")


def check_charges(dataset: Dataset) -> Iterator[Finding]:
    """Find structures of different charge, which a potential does not tell apart."""
    charges = Counter(round(s.charge or 0.0, 2) for s in dataset)
    if len(charges) > 1:
        listed = ", ".join(f"{charge:+g} in {n}" for charge, n in charges.most_common(4))
        yield Finding("charge states", f"total charges differ ({listed}): a potential does not know of them")


def check_sizes(dataset: Dataset) -> Iterator[Finding]:
    """Find energies per atom where those of the cell are meant."""
    labeled = [s for s in dataset if s.energy is not None and len(s) > 1]
    sizes, elements = np.array([len(s) for s in labeled]), dataset.elements
    if len(set(sizes)) < 2 or len(labeled) < 8:
        return
    shares = np.array([[np.mean(s.atoms.symbols == element) for element in elements] for s in labeled])
    energies = np.array([s.energy for s in labeled], dtype=float)
    scatter = [
        float(np.std(y - shares @ np.linalg.lstsq(shares, y, rcond=None)[0])) for y in (energies / sizes, energies)
    ]
    if scatter[1] < PER_ATOM * scatter[0]:
        text = (
            f"they do not grow with the number of atoms, {sizes.min()} to {sizes.max()}: energies of cells are needed"
        )
        yield Finding("energies per atom", text)
