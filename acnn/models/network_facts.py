"""What a network or attention model is, in words."""

from __future__ import annotations

import math

from torch import nn

from acnn.models.network import NetworkACE


def network_facts(model: NetworkACE) -> list[tuple[str, str]]:
    """Names and values, as `acnn info` and `acnn report` show them."""
    s, parts = model.specification, {"embedding": model.embedding, "fitting network": model.fitting}
    counts = {name: n_parameters(part) for name, part in parts.items()}
    elements = "each pair of its own" if s.mixed_elements is None else f"{s.mixed_elements} channels shared by all"
    return [
        ("level", model.level),
        ("elements", ", ".join(model.elements)),
        ("cutoff of the network (Å)", f"{s.cutoff:g}"),
        (
            "attention layers",
            f"{s.layers} of {s.heads} heads{' that see products' * s.products}" if s.layers else "none",
        ),
        ("channels, l ≤", f"{s.channels}, {s.l_max}"),
        ("radial polynomials", f"{s.radial_functions}, smoothness {s.smoothness:g}"),
        ("radial functions of elements", elements),
        ("invariants", f"{model.embedding.n_invariants}, of order 1 … {s.order}"),
        ("fitting network", f"{' × '.join(map(str, s.hidden))}, {'shared' if s.shares_fitting else 'per element'}"),
        ("inner cutoffs (Å)", ", ".join(f"{pair} {r:.3g}" for pair, r in s.inner_cutoffs.items()) or "none"),
        ("energies level off below (eV)", _floor(model)),
        ("parameters", str(sum(counts.values()))),
        *((f"  {name}", str(count)) for name, count in counts.items()),
    ]


def _floor(model: NetworkACE) -> str:
    low = zip(model.elements, model.fitting.bounds[:, 0].tolist(), strict=True)
    return ", ".join(f"{element} {energy:.3g}" for element, energy in low if math.isfinite(energy)) or "nowhere"


def n_parameters(part: nn.Module) -> int:
    """That training determines."""
    return sum(parameter.numel() for parameter in part.parameters())
