"""Names of jobs where a queue does not allow every character."""

import re

_PLAIN = re.compile(r"[A-Za-z0-9_-]")
_START = "x++"
"""Comes before a name that does not begin with a letter."""


def encode(name: str) -> str:
    """Write a name in letters, digits and ``_-.+``; a colon becomes a point.

    Examples
    --------
    >>> encode("study:process:3"), encode("2 words.merge")
    ('study.process.3', 'x++2+20words+2emerge')
    """
    text = "".join(_write(character) for character in name)
    return text if re.match("[A-Za-z]", text) else _START + text


def _write(character: str) -> str:
    if character == ":":
        return "."
    if _PLAIN.match(character):
        return character
    return "".join(f"+{byte:02x}" for byte in character.encode("utf-8", "surrogateescape"))


def decode(text: str) -> str:
    """Return the name that was written.

    Examples
    --------
    >>> decode(encode("2 Wörter:merge.+"))
    '2 Wörter:merge.+'
    """
    words = text.removeprefix(_START).replace(".", ":").encode("utf-8", "surrogateescape")
    found = re.sub(rb"\+([0-9a-f]{2})", lambda match: bytes([int(match[1], 16)]), words)
    return found.decode("utf-8", "surrogateescape")
