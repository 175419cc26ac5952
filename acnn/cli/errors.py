"""Printing of errors and warnings; kept light, since every command imports it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.console import Console
from rich.markup import escape

from acnn.failures import Failure, print_traceback

errors = Console(stderr=True)


@contextmanager
def one_sentence_errors() -> Iterator[None]:
    """End the command with a one-sentence error: status 2 if the user can fix it, 70 if it is a bug in acnn."""
    try:
        yield
    except BrokenPipeError:
        raise
    except KeyboardInterrupt as error:
        print_traceback(error)
        _stop(Failure("interrupted", 130))
    except Exception as error:
        if type(error).__module__.partition(".")[0] in ("typer", "click"):  # ends and usage errors of the command line
            raise
        print_traceback(error)
        _stop(Failure.of(error))


def print_failure(failure: Failure) -> None:
    """Print the sentence of a failure."""
    errors.print(f"[bold red]Error:[/] {escape(failure.sentence)}", highlight=False, soft_wrap=True)


def _stop(failure: Failure) -> None:
    print_failure(failure)
    raise typer.Exit(failure.status)


def warn(sentence: str) -> None:
    """Print a warning."""
    errors.print(f"[yellow]Warning:[/] {escape(sentence)}", highlight=False, soft_wrap=True)
