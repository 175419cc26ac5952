"""Write `reference/settings.md` from the settings tree: keys, values, defaults and meanings."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pages import escaped, table, write_if_changed
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from sphinx.application import Sphinx

from acnn.settings.fit import FitSettings
from acnn.settings.hal import HALSettings
from acnn.settings.messages import section_of
from acnn.settings.reference import default_text, meaning
from acnn.settings.train import TrainSettings

FILES = {"acnn fit --config FILE": FitSettings, "acnn train FILE": TrainSettings, "acnn hal FILE": HALSettings}
HEAD = """# Settings

Both commands read a YAML file. `acnn fit --settings` and `acnn train --settings` print one with all settings, their
defaults and meanings, to start from; `--schema` prints a JSON schema, with which editors complete keys and mark errors.
An unknown key or a value out of range is an error that names the file, the key and what is allowed.
"""


def page() -> str:
    """Return the page in Markdown."""
    return HEAD + "".join(f"\n## {title}\n{sections(settings)}" for title, settings in FILES.items())


def sections(settings: type[BaseModel]) -> str:
    """Return a table for the keys at the top, and one for every section below."""
    return "".join(f"{heading}\n{rows}" for heading, rows in _tables(settings, ""))


def _tables(settings: type[BaseModel], path: str) -> Iterator[tuple[str, str]]:
    plain, inner = [], []
    for name, field in settings.model_fields.items():
        key = field.alias or name
        section = section_of(field) if isinstance(field.annotation, type) else None
        if section is not None:
            inner.append((f"{path}{key}.", section, field))
        plain.append(_row(key, field))
    yield (f"\n### {path.rstrip('.')}\n" if path else ""), table(("key", "default", "meaning"), plain)
    for below, section, _ in inner:
        yield from _tables(section, below)


def _row(key: str, field: FieldInfo) -> tuple[str, str, str]:
    text = default_text(field)
    return f"`{key}`", "" if text is None or len(text) > 60 else escaped(text), escaped(meaning(field))


def write(application: Sphinx) -> None:
    """Write the page into the sources, where it is ignored by git."""
    write_if_changed(Path(application.srcdir) / "reference" / "settings.md", page())


def setup(application: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    application.connect("builder-inited", write)
    return {"parallel_read_safe": True}
