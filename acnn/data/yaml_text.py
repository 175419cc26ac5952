"""Values in YAML as users mean them.

YAML 1.1 takes 1:30 for 90, 010 for 8, 1e3 for a word, and yes and the symbol of nobelium for booleans; here, as in
YAML 1.2, only true and false are booleans, and numbers are decimal. A key that is given twice is an error.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import yaml

WORDS = {  # tag: pattern, and the letters it may start with
    "bool": (r"true|True|TRUE|false|False|FALSE", "tTfF"),
    "int": (r"[-+]?[0-9]+", "-+0123456789"),
    "float": (r"[-+]?(\.\d+|\d+(\.\d*)?)([eE][-+]?\d+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)", "-+.0123456789"),
    "null": (r"~|null|Null|NULL|", "~nN\0"),
    "merge": (r"<<", "<"),
}


class _Loader(yaml.SafeLoader):
    """A loader that recognizes the words above, and no others."""

    yaml_implicit_resolvers: dict[str, Any] = {}

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Make a dictionary, and reject keys that are given twice."""
        names = Counter(key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode) and key.value != "<<")
        for name, times in names.most_common(1):
            if times > 1:
                raise yaml.constructor.ConstructorError(None, None, f"{name!r} is given twice", node.start_mark)
        return super().construct_mapping(node, deep)


for _tag, (_pattern, _letters) in WORDS.items():
    for _letter in _letters:
        _name = f"tag:yaml.org,2002:{_tag}"
        _Loader.add_implicit_resolver(_name, re.compile(rf"^(?:{_pattern})$"), [_letter.replace("\0", "")])


def _decimal(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> int:
    return int(loader.construct_scalar(node), 10)


_Loader.add_constructor("tag:yaml.org,2002:int", _decimal)


def load_yaml(text: str) -> Any:
    """Parse a text.

    Raises:
        yaml.YAMLError: it is not YAML, or too deeply nested.
    """
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise yaml.YAMLError(f"{place}{error.problem or error}") from error
    except RecursionError as error:
        raise yaml.YAMLError("its brackets are nested too deeply") from error
    except ValueError as error:  # of a number with thousands of digits, a character that is not text
        raise yaml.YAMLError(str(error)) from error
