"""A file of settings, read as plain values: never an object, never more than stands there."""

from __future__ import annotations

import re
from itertools import accumulate
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode

from tasks.refusal import Refusal

LONGEST = 200_000  # characters: six times the longest that is ours, and a minute for the parser
DEEPEST = 60  # brackets within brackets; the parser's time grows with the square of it
UNREADABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")  # in a string by an escape
MOST = 100_000  # values once every anchor is unfolded; ten lines of aliases of aliases make 10**9


def loaded(text: str, place: str) -> Any:
    """The values of the one YAML document in `text`; what cannot be read, or unfolds without end, is a Refusal."""
    if len(text) > LONGEST:
        cause = f"is longer than {LONGEST} characters ({len(text)})"
        raise Refusal(place, cause, "this is no file of settings; give another")
    if max(accumulate({"[": 1, "{": 1, "]": -1, "}": -1}.get(sign, 0) for sign in text), default=0) > DEEPEST:
        raise Refusal(place, f"nests brackets more than {DEEPEST} deep", "close what is open")
    yaml = YAML(typ="safe", pure=True)
    try:
        node = yaml.compose(text)
        if node is None:
            return None
        _bounded(node, place)
        return yaml.constructor.construct_document(node)
    except (Refusal, MemoryError):
        raise
    except (
        Exception
    ) as error:  # besides YAMLError the parser lets ValueError, KeyError and RecursionError through
        cause = " ".join(str(error).split()) or type(error).__name__
        raise Refusal(place, f"cannot be read as YAML ({cause})", "mend the file") from error


def _bounded(root: Node, place: str) -> None:
    """Nothing, or a Refusal where the values, each anchor counted as often as it is named, are too many or endless."""
    sizes: dict[int, int] = {}

    def size(node: Node) -> int:
        if isinstance(node, ScalarNode):
            if UNREADABLE.search(node.value):
                raise Refusal(
                    place, f"holds a control or half a character (in {node.value[:40]!r})", "take it out"
                )
            return 1
        if sizes.get(id(node), 1) == 0:
            raise Refusal(place, "an anchor stands within itself", "write the values out")
        if id(node) not in sizes:
            sizes[id(node)] = 0  # being counted
            inside = (
                [one for pair in node.value for one in pair] if isinstance(node, MappingNode) else node.value
            )
            sizes[id(node)] = 1 + sum(map(size, inside))
        return sizes[id(node)]

    if size(root) > MOST:
        raise Refusal(place, f"its anchors unfold to more than {MOST} values", "write the values out")
