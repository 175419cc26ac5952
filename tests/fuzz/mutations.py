"""Damage as files suffer it: flipped bits, lost ends, odd numbers, foreign content.

A mutation takes the content and a random generator and returns other content, which may by chance be the same.
"""

from __future__ import annotations

import json
import pickle
import zlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.random import Generator

Mutation = Callable[[bytes, Generator], bytes]

ODD_NUMBERS = ("0", "-1", "nan", "inf", "-inf", "1e300", "-1e300", "1e-300", "1e999", "99999999999999999999", "1:30")
ODD_WORDS = ("", "x", "null", "true", "[]", "{}", "é", "Ω" * 3, '"', "=", ":", "\t", "%s", "../..", "A" * 5000)
NOT_A_NUMBER = ("12..5", "1,5", "0x10", "1e", "--1", "1d5", "*****")


class _Opens:
    """What a pickle should never be asked for."""

    def __reduce__(self) -> tuple[Any, ...]:
        return open, ("pickle_was_executed", "w")


FOREIGN = (
    b"",
    b"\0" * 4096,
    b"\x89PNG\r\n\x1a\n" + bytes(range(256)),
    b"PK\x03\x04" + bytes(100),
    b"<!DOCTYPE html><html><body>404 Not Found</body></html>",
    json.dumps({"acnn": [1, 2, 3]}).encode(),
    pickle.dumps(_Opens()),
    zlib.compress(b"acnn" * 100),
    b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
    "1\nPbc=F\nSi 0 0 0\n".encode("utf-16"),
)


def as_it_is(content: bytes, rng: Generator) -> bytes:
    return content


# --- bytes ------------------------------------------------------------------------------------------------------------


def flip_bit(content: bytes, rng: Generator) -> bytes:
    changed = bytearray(content)
    if changed:
        changed[rng.integers(len(changed))] ^= 1 << int(rng.integers(8))
    return bytes(changed)


def truncate(content: bytes, rng: Generator) -> bytes:
    return content[: int(rng.integers(len(content) + 1))]


def lose_start(content: bytes, rng: Generator) -> bytes:
    return content[int(rng.integers(1, 64)) :]


def append(content: bytes, rng: Generator) -> bytes:
    return content + rng.bytes(int(rng.integers(1, 100)))


def insert_bytes(content: bytes, rng: Generator) -> bytes:
    at = int(rng.integers(len(content) + 1))
    return content[:at] + rng.bytes(int(rng.integers(1, 9))) + content[at:]


def zero_block(content: bytes, rng: Generator) -> bytes:
    a, b = _range(content, rng)
    return content[:a] + bytes(b - a) + content[b:]


def cut_block(content: bytes, rng: Generator) -> bytes:
    a, b = _range(content, rng)
    return content[:a] + content[b:]


def repeat_block(content: bytes, rng: Generator) -> bytes:
    a, b = _range(content, rng)
    return content[:b] + content[a:]


def foreign(content: bytes, rng: Generator) -> bytes:
    return FOREIGN[rng.integers(len(FOREIGN))]


def _range(content: bytes, rng: Generator) -> tuple[int, int]:
    a = int(rng.integers(len(content) + 1))
    return a, min(len(content), a + int(rng.integers(1, 300)))


# --- text -------------------------------------------------------------------------------------------------------------


def odd_number(content: bytes, rng: Generator) -> bytes:
    """A word that is a number becomes an odd one."""
    return _replace_word(content, rng, ODD_NUMBERS + NOT_A_NUMBER, numbers=True)


def odd_word(content: bytes, rng: Generator) -> bytes:
    return _replace_word(content, rng, ODD_WORDS + ODD_NUMBERS, numbers=False)


def scale_number(content: bytes, rng: Generator) -> bytes:
    """A number becomes another of ten times, or a thousandth of, its size, or of the other sign."""

    def scaled(word: str) -> str:
        return repr(float(word) * float(rng.choice([10.0, 1e-3, -1.0, 1e6])))

    return _change_word(content, rng, scaled, numbers=True)


def lose_word(content: bytes, rng: Generator) -> bytes:
    return _replace_word(content, rng, ("",), numbers=False)


def lose_line(content: bytes, rng: Generator) -> bytes:
    lines, k = _line(content, rng)
    return b"".join(lines[:k] + lines[k + 1 :])


def repeat_line(content: bytes, rng: Generator) -> bytes:
    lines, k = _line(content, rng)
    return b"".join(lines[: k + 1] + lines[k:])


def swap_lines(content: bytes, rng: Generator) -> bytes:
    lines, k = _line(content, rng)
    j = int(rng.integers(len(lines))) if lines else 0
    if lines:
        lines[k], lines[j] = lines[j], lines[k]
    return b"".join(lines)


def blank_line(content: bytes, rng: Generator) -> bytes:
    lines, k = _line(content, rng)
    return b"".join([*lines[:k], b"\n", *lines[k:]])


def other_key(content: bytes, rng: Generator) -> bytes:
    """A letter of a word before "=" or ":" changes: the key is no longer the one it was."""

    def renamed(word: str) -> str:
        at = int(rng.integers(len(word)))
        return word[:at] + "q" + word[at + 1 :]

    return _change_word(content, rng, renamed, numbers=False)


def windows_lines(content: bytes, rng: Generator) -> bytes:
    return content.replace(b"\n", b"\r\n")


def byte_order_mark(content: bytes, rng: Generator) -> bytes:
    return b"\xef\xbb\xbf" + content


def trailing_blanks(content: bytes, rng: Generator) -> bytes:
    return content.replace(b"\n", b"  \n")


def no_last_newline(content: bytes, rng: Generator) -> bytes:
    return content.rstrip(b"\n")


def blank_end(content: bytes, rng: Generator) -> bytes:
    return content + b"\n" * int(rng.integers(1, 4))


def latin_letter(content: bytes, rng: Generator) -> bytes:
    at = int(rng.integers(len(content) + 1))
    return content[:at] + b"\xe9" + content[at:]


def _line(content: bytes, rng: Generator) -> tuple[list[bytes], int]:
    lines = content.splitlines(keepends=True)
    return lines, int(rng.integers(len(lines))) if lines else 0


def _replace_word(content: bytes, rng: Generator, words: Sequence[str], numbers: bool) -> bytes:
    return _change_word(content, rng, lambda word: words[rng.integers(len(words))], numbers)


def _change_word(content: bytes, rng: Generator, change: Callable[[str], str], numbers: bool) -> bytes:
    """One word of one line changed; words are what blanks, and the signs of YAML and of comment lines, separate."""
    text = content.decode(errors="replace")
    spans = [(a, b) for a, b in _words(text) if not numbers or _is_number(text[a:b])]
    if not spans:
        return content
    a, b = spans[rng.integers(len(spans))]
    return (text[:a] + change(text[a:b]) + text[b:]).encode()


def _words(text: str) -> list[tuple[int, int]]:
    separator = np.array([c in ' \t\r\n"=:,[]{}' for c in text] + [True])
    starts = np.flatnonzero(~separator[:-1] & np.r_[True, separator[:-2]])
    ends = np.flatnonzero(~separator[:-1] & separator[1:]) + 1
    return list(zip(starts.tolist(), ends.tolist(), strict=True))


def _is_number(word: str) -> bool:
    try:
        return bool(np.isfinite(float(word)))
    except ValueError:
        return False


BINARY: tuple[Mutation, ...] = (
    *(flip_bit,) * 6,
    truncate,
    lose_start,
    append,
    insert_bytes,
    zero_block,
    cut_block,
    repeat_block,
    foreign,
)
COSMETIC: tuple[Mutation, ...] = (windows_lines, byte_order_mark, trailing_blanks, no_last_newline, blank_end)
"""What an editor or another system does to a text without changing what it says."""
TEXT: tuple[Mutation, ...] = (
    *(odd_number,) * 4,
    *(odd_word,) * 3,
    *(scale_number,) * 2,
    *(lose_word, lose_line, repeat_line, swap_lines, blank_line, other_key, latin_letter),
    *(flip_bit, truncate, cut_block, repeat_block, foreign),
)
