"""What was compiled is compiled again when weights have changed in any way that is noticed, and only then."""

from __future__ import annotations

import copy
import pickle
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from acnn.kernels.loading import uses_compiled_kernel
from acnn.kernels.weight_cache import WeightCache
from acnn.models.network import NetworkACE
from acnn.neighbors import atomic_graph
from acnn.testing import random_crystal, random_model, random_network

ROOT = Path(__file__).parents[2]


class Counted:
    """Sums of the weights of a module, and how often they were taken."""

    def __init__(self, module: nn.Module) -> None:
        self.module, self.cache, self.n_made = module, WeightCache[list[float]](), 0

    def get(self) -> list[float]:
        return self.cache.get(list(self.module.parameters()), self._make)

    def _make(self) -> list[float]:
        self.n_made += 1
        return [float(weight.detach().sum()) for weight in self.module.parameters()]


@pytest.fixture
def counted() -> Counted:
    torch.manual_seed(0)
    return Counted(nn.Linear(3, 3))


def assign(module: nn.Linear) -> None:
    with torch.no_grad():
        module.weight[0, 1] = 7.0


def step(make: Callable[[list[nn.Parameter]], torch.optim.Optimizer]) -> Callable[[nn.Linear], None]:
    def action(module: nn.Linear) -> None:
        optimizer = make(list(module.parameters()))
        module(torch.ones(3)).square().sum().backward()
        optimizer.step()

    return action


def load(assigned: bool) -> Callable[[nn.Linear], None]:
    def action(module: nn.Linear) -> None:
        torch.manual_seed(1)
        module.load_state_dict(nn.Linear(3, 3).state_dict(), assign=assigned)

    return action


def other_memory(module: nn.Linear) -> None:
    module.weight.data = module.weight.data + 1.0


def other_order(module: nn.Linear) -> None:
    module.weight.data = module.weight.data.T


def other_parameter(module: nn.Linear) -> None:
    module.weight = nn.Parameter(torch.ones(3, 3))


def from_vector(module: nn.Linear) -> None:
    nn.utils.vector_to_parameters(torch.arange(12.0), module.parameters())


def through_an_alias(module: nn.Linear) -> None:
    module.state_dict()["weight"].mul_(2.0)


def all_at_once(module: nn.Linear) -> None:
    with torch.no_grad():
        torch._foreach_mul_(list(module.parameters()), 2.0)


CHANGES: dict[str, Callable[[nn.Linear], None]] = {
    "assignment": assign,
    "SGD": step(lambda weights: torch.optim.SGD(weights, 0.1)),
    "Adam": step(lambda weights: torch.optim.Adam(weights, 0.1, foreach=False)),
    "Adam for all": step(lambda weights: torch.optim.Adam(weights, 0.1, foreach=True)),
    "fused Adam": step(lambda weights: torch.optim.Adam(weights, 0.1, fused=True)),
    "load_state_dict": load(False),
    "load_state_dict, assigned": load(True),
    "other memory": other_memory,
    "other order": other_order,
    "other parameter": other_parameter,
    "vector_to_parameters": from_vector,
    "state_dict": through_an_alias,
    "foreach": all_at_once,
    "other dtype": lambda module: module.double() and None,
}


ABSOLUTE = {"assignment", "load_state_dict", "load_state_dict, assigned", "other parameter", "vector_to_parameters"}
"""Which leave other values than before the first time only."""


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_noticed(counted: Counted, name: str) -> None:
    before = counted.get()
    for n_made in (2, 3):
        CHANGES[name](counted.module)
        found = counted.get()
        assert counted.n_made == (2 if name in ABSOLUTE | {"other dtype"} else n_made)
        assert found == [float(weight.detach().sum()) for weight in counted.module.parameters()]
        assert counted.get() is found
    assert found != before or name == "other order"


def test_memory_that_torch_gives_away_again_is_other_memory(counted: Counted) -> None:
    """Without a reference to the old memory, new weights may lie at the old address."""
    for n_made in range(1, 20):
        counted.module.weight.data = torch.full((3, 3), float(n_made))
        assert counted.get()[0] == 9 * n_made
        assert counted.n_made == n_made


def test_nothing_is_made_again_where_values_stay(counted: Counted) -> None:
    found = counted.get()
    other = nn.Linear(2, 2)
    step(lambda weights: torch.optim.Adam(weights))(nn.Linear(3, 3))
    counted.module.load_state_dict(copy.deepcopy(counted.module.state_dict()))
    other.double()
    assert counted.get() is found
    assert counted.n_made == 1


def test_weights_made_for_inference_are_compared(counted: Counted) -> None:
    with torch.inference_mode():
        weight = torch.ones(3)
        cache = WeightCache[float]()
        assert cache.get([weight], lambda: float(weight.sum())) == 3.0
        assert cache.get([weight], lambda: pytest.fail("nothing has changed")) == 3.0
        weight.mul_(2.0)
        assert cache.get([weight], lambda: float(weight.sum())) == 6.0


@pytest.mark.skipif(not uses_compiled_kernel(), reason="acnn was installed without its compiled kernel")
def test_models_are_compiled_again() -> None:
    crystal = random_crystal(["Si"])
    linear, network = random_model(["Si"]), random_network(["Si"])
    for model, weight in ((linear, linear.coefficients), (linear, linear.e0.values), (network, network.readout.skip)):
        graph = atomic_graph(crystal, model.cutoff)
        for change in (torch.Tensor.mul_, torch.Tensor.add_):
            kernel = model.energy_kernel()
            before = model.pair_gradients(graph).site_energies.sum()
            with torch.no_grad():
                change(weight, 1.5)
            after = model.pair_gradients(graph).site_energies.sum()
            assert after == pytest.approx(float(model.pair_gradients(graph, "torch").site_energies.sum()), rel=1e-10)
            assert abs(after - before) > 1e-6
            assert model.energy_kernel() is not kernel


@pytest.mark.skipif(not uses_compiled_kernel(), reason="acnn was installed without its compiled kernel")
@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_copies_of_models_compile_for_themselves(copied: Callable[[NetworkACE], NetworkACE]) -> None:
    model = random_network(["Si"])
    kernels = model.network_kernel(), model.linear.energy_kernel()
    other = copied(model)
    other.network_kernel(), other.linear.energy_kernel()
    assert kernels == (model.network_kernel(), model.linear.energy_kernel())


def test_acnn_writes_no_weights_that_torch_does_not_count() -> None:
    """``tensor.data[…] = …``, ``tensor.data.mul_(…)``: `detach` instead, which torch counts."""
    write = re.compile(r"\.data(\[[^]]*\]\s*[-+*/]?=[^=]|\.\w+_\(|\s*[-+*/]=)")
    assert write.search("weight.data[0] = 1")
    assert write.search("weight.data.mul_(2)")
    assert write.search("weight.data *= 2")
    files = [path for name in ("acnn", "ase_calculator", "lammps_plugin") for path in (ROOT / name).rglob("*.py")]
    assert len(files) > 100
    found = [path.name for path in files if path.name != "weight_cache.py" and write.search(path.read_text("utf-8"))]
    assert found == []


def test_what_could_not_be_made_is_tried_again(counted: Counted) -> None:
    before = counted.get()
    with torch.no_grad():
        counted.module.weight.mul_(2)

    def fail() -> list[float]:
        raise ValueError("not these")

    for _ in range(2):
        with pytest.raises(ValueError, match="not these"):
            counted.cache.get(list(counted.module.parameters()), fail)
    assert counted.get() != before
