"""Show cells that begin with ``%%bash`` as the shell commands they are."""

from __future__ import annotations

from docutils import nodes
from sphinx.application import Sphinx

MAGIC = "%%bash\n"


def show_as_shell(application: Sphinx, document: nodes.document) -> None:
    """Take the magic line away, and highlight the rest as a shell's."""
    for block in document.findall(nodes.literal_block):
        text = block.astext()
        if text.startswith(MAGIC):
            shell = text.removeprefix(MAGIC)
            block.rawsource, block["language"] = shell, "bash"
            block.children = [nodes.Text(shell)]


def setup(application: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    application.connect("doctree-read", show_as_shell)
    return {"parallel_read_safe": True}
