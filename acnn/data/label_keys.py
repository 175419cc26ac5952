"""The keys that labels are taken from: those given, otherwise known ones, of a single level of theory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ase import Atoms

from acnn.arrays import FloatArray
from acnn.data.errors import DatasetError
from acnn.data.label_names import KINDS, KNOWN, QUANTITIES, LabelName
from acnn.data.label_search import UNITS, Difference, Search, has, names_in
from acnn.data.labels import energy_of, forces_of, virial_of
from acnn.data.unknown_labels import existing_keys, unknown_labels
from acnn.wording import counted

PLURAL = {"energy": "energies", "forces": "forces", "virial": "virials"}
GIVEN = "given"


@dataclass(frozen=True)
class LabelKeys:
    """The keys in use.

    Attributes:
        names: by quantity, in the order in which they are looked up in a structure.
        used: by kind (energy, forces, virial, stress) and key: the number of structures labeled by it.
        notes: what was not used and what is doubtful, one sentence each.
    """

    names: Mapping[str, tuple[LabelName, ...]]
    used: dict[str, dict[str, int]]
    notes: tuple[str, ...]

    def energy_of(self, atoms: Atoms, name: str) -> float | None:
        """Return the energy of the whole cell in eV, or None if the structure has none."""
        label = self._own(atoms, "energy")
        return None if label is None else energy_of(atoms, label, name)

    def forces_of(self, atoms: Atoms, name: str) -> FloatArray | None:
        """Return the forces (n, 3) in eV/Å, or None if the structure has none."""
        label = self._own(atoms, "forces")
        return None if label is None else forces_of(atoms, label, name)

    def virial_of(self, atoms: Atoms, name: str) -> FloatArray | None:
        """Return the virial (3, 3) in eV, or None if there is none or the structure is not periodic in 3 directions."""
        label = self._own(atoms, "virial") if atoms.pbc.all() else None
        return None if label is None else virial_of(atoms, label, name)

    def has_useless_virial(self, atoms: Atoms) -> bool:
        """Return whether a structure has a virial or stress without being periodic in three directions."""
        return not atoms.pbc.all() and any(has(atoms, name) for name in self.names["virial"] or KNOWN["virial"])

    def _own(self, atoms: Atoms, quantity: str) -> LabelName | None:
        return next((name for name in self.names[quantity] if has(atoms, name)), None)


class Choice(NamedTuple):
    """Keys of one quantity, and other keys with different values in the same structures."""

    names: tuple[LabelName, ...]
    different: dict[LabelName, Difference]
    notes: list[str]


def choose_keys(
    structures: Sequence[Atoms], explicit: Mapping[str, str | None], source: str, usual: Mapping[str, str] | None = None
) -> LabelKeys:
    """Choose the keys of each quantity: explicit ones, otherwise known ones (`acnn.data.label_names.KNOWN`).

    An explicit one may be a list, "REF_energy,energy": they are looked up in each structure in this order. Of the known
    ones the first that occurs is used; structures without it may use another that means the same, by its name or
    because both agree wherever a structure has both. Virial and stress carry the same information.

    Args:
        usual: keys by kind that count as explicit where nothing else is given and a structure has one of them.

    Raises:
        DatasetError: structures have labels under keys that may be of different levels of theory.
    """
    if explicit["virial"] and explicit["stress"]:
        raise DatasetError(
            f"the virial key {explicit['virial']!r} and the stress key {explicit['stress']!r} are both "
            "given: give only one of them"
        )
    given = {quantity: _given(quantity, explicit) for quantity in QUANTITIES}
    given |= {quantity: _there(quantity, structures, usual or {}) for quantity, names in given.items() if not names}
    choices: dict[str, Choice] = {}
    for quantity, names in given.items():
        choose = _explicit_choice if names else _known_choice
        choices[quantity] = choose(quantity, structures, names, source)
    useless = any(names_in(atoms, KNOWN["virial"]) for atoms in structures)  # of slabs and molecules
    if not useless and not any(choice.names for choice in choices.values()):
        raise DatasetError(
            f"no structure of {source} has an energy, forces, virial or stress under a known key: "
            f"{existing_keys(structures)}; name the right ones with --energy-key and --forces-key "
            "(energy_key and forces_key in a YAML file)"
        )
    notes = [note for choice in choices.values() for note in choice.notes]
    notes += _level_notes({q: c for q, c in choices.items() if not given[q]}, source)
    taken = {quantity: choice.names for quantity, choice in choices.items()}
    notes += unknown_labels(structures, taken, source)
    return LabelKeys(taken, _used(structures, taken, source), tuple(notes))


def _given(quantity: str, explicit: Mapping[str, str | None]) -> tuple[LabelName, ...]:
    for kind in QUANTITIES[quantity]:
        text = explicit[kind]
        if text is not None and not text.replace(",", " ").strip():
            raise DatasetError(f"the {kind} key {text!r} is not a name: give one, or leave it out")
    return tuple(
        LabelName(kind, key.strip(), GIVEN)
        for kind in QUANTITIES[quantity]
        for key in (explicit[kind] or "").split(",")
        if key.strip()
    )


def _there(quantity: str, structures: Sequence[Atoms], usual: Mapping[str, str]) -> tuple[LabelName, ...]:
    names = _given(quantity, {kind: usual.get(kind) for kind in KINDS})
    return names if any(has(atoms, name) for atoms in structures for name in names) else ()


def _explicit_choice(quantity: str, structures: Sequence[Atoms], names: tuple[LabelName, ...], source: str) -> Choice:
    if not any(has(atoms, name) for atoms in structures for name in names):
        sought = " or ".join(repr(name.key) for name in names)
        raise DatasetError(
            f"no structure of {source} has the {names[0].kind} key {sought}: {existing_keys(structures)}"
        )
    keys = {name.key for name in names}
    search = Search.of(quantity, structures, [*names, *(n for n in KNOWN[quantity] if n.key not in keys)], source)
    without = Counter(own[0] for own in search.there if own and not set(own) & set(names))
    if not without:
        return Choice(names, {}, [])
    kinds = {name.kind for name in without}
    option = f"--{names[0].kind}-key {','.join([*(n.key for n in names), *(n.key for n in without)])}"
    hint = f" ({option} takes the first key that exists)" if kinds == {names[0].kind} else ""
    missing = f"{source}: {_counted(without)} not used, since they have no {' or '.join(n.key for n in names)}{hint}"
    return Choice(names, {}, [missing])


def _known_choice(quantity: str, structures: Sequence[Atoms], _: Sequence[LabelName], source: str) -> Choice:
    search = Search.of(quantity, structures, KNOWN[quantity], source)
    names = search.found
    if not names:
        return Choice((), {}, [])
    names = _force_consistent_first(search, names)
    first, *others = names
    different = {n: d for n in others if (d := search.difference(first, n)).structures}
    stand_ins = [
        n for n in others if n not in different and (n.means_the_same_as(first) or search.occur_together(first, n))
    ]
    counts, used = search.counts(names), search.counts([first, *stand_ins])
    if counts.total() > used.total():
        raise DatasetError(_ambiguous(search, counts))
    return Choice((first, *(n for n in stand_ins if n in used)), different, _difference_notes(source, first, different))


def _force_consistent_first(search: Search, names: list[LabelName]) -> list[LabelName]:
    """Put the free energy before the energy of the same level if they differ: forces are its derivatives."""
    free = next((n for n in names[1:] if n.is_free_energy and n.level == names[0].level), None)
    if free is None or not search.difference(names[0], free).structures:
        return names
    return [free, *(n for n in names if n != free)]


def _ambiguous(search: Search, counts: Counter[LabelName]) -> str:
    kind = next(iter(counts)).kind
    keys = [name.key for name in counts if name.kind == kind]
    together = f", or --{kind}-key {','.join(keys)} for the first that each structure has" if len(keys) > 1 else ""
    return (
        f"{search.source} has {PLURAL[search.quantity]} under keys that may be of different levels of theory: "
        f"{_counted(counts)}; give --{kind}-key {keys[0]} to use only these{together} ({kind}_key in a YAML file)"
    )


def _difference_notes(source: str, first: LabelName, different: Mapping[LabelName, Difference]) -> list[str]:
    quantity = _quantity(first)
    why = ", whose derivatives forces are" if first.is_free_energy else ""
    return [
        f"{source}: {PLURAL[quantity]} are taken from {first.key}{why}; {name.key} differs from it in "
        f"{counted(found.structures, 'structure')}, by up to {found.largest:.3g} {UNITS[quantity]} "
        f"(--{name.kind}-key {name.key} takes the latter)"
        for name, found in different.items()
    ]


def _level_notes(choices: Mapping[str, Choice], source: str) -> list[str]:
    """Report labels that may be of different levels of theory; raise an error if the energies prove it."""
    firsts = {quantity: choice.names[0] for quantity, choice in choices.items() if choice.names}
    if len({name.level for name in firsts.values()}) < 2:
        return []
    taken = ", ".join(f"{PLURAL[quantity]} from {name.key}" for quantity, name in firsts.items())
    energy = choices["energy"].different if "energy" in choices else {}
    for name in firsts.values():
        for other, found in energy.items():
            if name.level == other.level:
                raise DatasetError(
                    f"{source} has {name.key} of the level of theory of {other.key}, which differs from "
                    f"{firsts['energy'].key} in {counted(found.structures, 'structure')}, by up to {found.largest:.3g} "
                    f"eV/atom: name keys that belong together, --energy-key {other.key} --{name.kind}-key {name.key} "
                    "(energy_key … in a YAML file)"
                )
    return [f"{source}: {taken}: make sure that these are of the same level of theory"]


def _used(
    structures: Sequence[Atoms], names: Mapping[str, tuple[LabelName, ...]], source: str
) -> dict[str, dict[str, int]]:
    used: dict[str, dict[str, int]] = {kind: {} for kind in KINDS}
    for quantity, of_quantity in names.items():
        counts = Search.of(quantity, structures, of_quantity, source).counts(of_quantity)
        for name in of_quantity:
            if counts[name]:
                used[name.kind][name.key] = counts[name]
    return used


def used_keys(used: Mapping[str, Mapping[str, int]]) -> str:
    """Describe the keys of each kind of label, with the numbers of structures if there are several."""
    return ", ".join(f"{kind} ← {_key_counts(counts)}" for kind, counts in used.items() if counts)


def other_levels(used: Mapping[str, Mapping[str, Mapping[str, int]]]) -> list[str]:
    """Describe each kind of label that files take from keys of different levels of theory, one sentence each.

    Args:
        used: by file, as in `LabelKeys.used`.
    """
    notes = []
    for kind in KINDS:
        keys = {file: list(of_file[kind]) for file, of_file in used.items() if of_file[kind]}
        if len({frozenset(map(_level, of_file)) for of_file in keys.values()}) > 1:
            listed = ", ".join(f"{' + '.join(of_file)} in {file}" for file, of_file in keys.items())
            notes.append(f"{kind}: {listed}: make sure that these are of the same level of theory")
    return notes


def _level(key: str) -> str:
    return next((name.level for names in KNOWN.values() for name in names if name.key == key), key)


def _key_counts(counts: Mapping[str, int]) -> str:
    return (
        " + ".join(f"{key} ({counted(n, 'structure')})" for key, n in counts.items())
        if len(counts) > 1
        else "".join(counts)
    )


def _quantity(name: LabelName) -> str:
    return next(quantity for quantity, kinds in QUANTITIES.items() if name.kind in kinds)


def _counted(counts: Mapping[LabelName, int]) -> str:
    return ", ".join(f"{name.key} in {counted(n, 'structure')}" for name, n in counts.items())
