"""Build the documentation: ``sphinx-build -W docs build/docs``.

Pages of `reference/` that list commands and settings are written by `_extensions/commands.py` and
`_extensions/settings.py` from the package itself; tutorials run while they are built.
"""

import os
import sys
from pathlib import Path

import acnn

EXTENSIONS = Path(__file__).parent / "_extensions"
sys.path.insert(0, str(EXTENSIONS))
os.environ["BASH_ENV"] = str(EXTENSIONS / "plain_shell.sh")
os.environ["IPYTHONDIR"] = str(EXTENSIONS / "ipython")

project = "acnn"
author = "the acnn developers"
copyright = "the acnn developers"
version = release = acnn.__version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.mathjax",
    "sphinx_copybutton",
    "sphinx_design",
    "commands",
    "settings",
    "benchmarks",
    "python_api",
    "shell_cells",
]
exclude_patterns = ["_extensions", "**/.ipynb_checkpoints", "jupyter_execute"]
source_suffix = {".md": "myst-nb", ".rst": "restructuredtext"}
smartquotes = False
default_role = "code"

myst_enable_extensions = ["dollarmath", "amsmath", "colon_fence", "deflist", "attrs_inline"]
myst_heading_anchors = 3
nb_execution_mode = os.environ.get("ACNN_DOCS_EXECUTION", "cache")
nb_execution_timeout = 600
nb_execution_raise_on_error = True
nb_execution_in_temp = True
nb_merge_streams = True

autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True}
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
copybutton_prompt_text = r"\$ "
copybutton_prompt_is_regexp = True


def plain(app, what, name, obj, options, lines):
    """Take | in docstrings as the absolute value that it means, and indented formulas and tables as they stand."""
    result = []
    for line in lines:
        above = next((one for one in reversed(result) if one), "")
        if line.startswith("    ") and result and not result[-1] and not above.startswith((" ", ":", "..", "*", "-")):
            result += ["::", ""]
        result.append(line if line.startswith(" ") else line.replace("|", "\\|"))
    lines[:] = result


def setup(app):
    """Register with Sphinx."""
    app.connect("autodoc-process-docstring", plain, priority=900)


html_theme = "furo"
html_title = "acnn"
html_static_path = ["_static"]
html_css_files = ["acnn.css"]
html_theme_options = {"navigation_with_keys": True}
