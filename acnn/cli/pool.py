"""The command ``acnn pool``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from acnn.cli.display import console, print_written
from acnn.cli.label_options import Overwrite
from acnn.cli.numbers import number
from acnn.cli.property_options import print_rows
from acnn.data.named_structures import named_structures
from acnn.data.pool import Pool
from acnn.data.sources import files_of, inputs_of
from acnn.data.structure_files import require_structure_format, write_structures
from acnn.files import require_writable
from acnn.locks import locked
from acnn.wording import NOTHING, counted
from acnn.wording import number as written

pool = typer.Typer(
    help="Keep structures in a database, each once, with where they came from and what they were used for.",
    no_args_is_help=True,
)
Database = Annotated[Path, typer.Argument(help="Database, POOL.db.")]


@pool.command()
def build(
    database: Database,
    structures: Annotated[list[Path], typer.Argument(help="Structures: any files ASE reads, folders, patterns.")],
) -> None:
    """Add structures of files to a database, which is made if it does not exist.

    Example: acnn pool build boron.db relaxed/*.res
    """
    require_writable([database], inputs_of(structures), overwrite=True)
    with locked(database), Pool(database) as own:
        for file in files_of(structures):
            found = named_structures([file])
            new = own.add(found, str(file))
            console.print(f"{file}: {new} new of {counted(len(found), 'structure')}", highlight=False, soft_wrap=True)
        console.print(f"{database} has {counted(len(own), 'structure')}", highlight=False, soft_wrap=True)


@pool.command()
def merge(
    database: Database, others: Annotated[list[Path], typer.Argument(help="Databases whose structures are added.")]
) -> None:
    """Add the structures of other databases, with what they were used for.

    Example: acnn pool merge all.db one.db two.db
    """
    require_writable([database], others, overwrite=True)
    with locked(database), Pool(database) as own:
        for other in others:
            console.print(f"{other}: {own.merge(other)} new", highlight=False, soft_wrap=True)
        console.print(f"{database} has {counted(len(own), 'structure')}", highlight=False, soft_wrap=True)


@pool.command()
def take(
    database: Database,
    n: Annotated[int, number("How many structures, at most.", "-n", least=1, most=1_000_000_000)],
    purpose: Annotated[str, typer.Option("--for", help="What they are used for: a word by which it is noted.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write: .res, .xyz, or another ASE writes.")],
    formula: Annotated[str | None, typer.Option(help="Reduced formula, SrB6.", show_default=False)] = None,
    overwrite: Overwrite = False,
) -> None:
    """Write the structures of lowest enthalpy that were not used for a purpose yet, and note that they are now.

    Example: acnn pool take boron.db -n 50 --for dft-1 -o next.res
    """
    require_writable([output], [database], overwrite=overwrite)
    require_structure_format(output)
    _require_pool(database)
    with locked(database), Pool(database) as own, own.taken(n, purpose, formula) as found:
        if not found:
            raise ValueError(f"{database} has no structures of this kind that were not used for {purpose!r} yet")
        write_structures(output, found)
    print_written(output, f": {counted(len(found), 'structure')}")


@pool.command()
def stat(database: Database) -> None:
    """Print what a database has: compositions, lowest enthalpies, what was used, sources.

    Example: acnn pool stat boron.db
    """
    _require_pool(database)
    with Pool(database) as own:
        rows = [
            (
                *(row.formula, str(row.structures), str(row.used), written(row.lowest, 5)),
                *(f"{row.pressures[0]:g} … {row.pressures[1]:g}", written(row.volume, 3)),
            )
            for row in own.statistics()
        ]
        headings = ("formula", "structures", "used", "lowest enthalpy\neV/atom", "pressure\nGPa", "volume\nÅ³/atom")
        print_rows(f"{database}: {counted(len(own), 'structure')}", rows or [(NOTHING,) * 6], headings)
        for title, counts in (("used for", own.purposes()), ("from", own.sources())):
            for name, count in counts.items():
                console.print(f"{title} {name}: {count}", highlight=False, soft_wrap=True)


def _require_pool(path: Path) -> None:
    if not path.is_file():
        raise ValueError(f"there is no pool {path}: make it with acnn pool build")
