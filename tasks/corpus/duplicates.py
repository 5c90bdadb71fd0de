"""Groups of exact and near duplicates: Jaccard over 5-character shingles, candidates from MinHash LSH.

MinHash: Broder 1997; LSH banding: Leskovec, Rajaraman, Ullman, Mining of Massive Datasets, chapter 3.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import cast

import numpy as np
from datasketch import MinHash, MinHashLSH

SHINGLE = 5  # characters
_PERMUTATIONS = 128
_RECALL = 0.99  # of the pairs that lie exactly at the threshold; more similar pairs are found more surely
_CHUNK = 1 << 16  # shingles hashed at once, so that a giant document needs little memory
_WEIGHTS = np.random.default_rng(20240101).integers(1, 2**63, SHINGLE, dtype=np.uint64) | np.uint64(1)


def key(document: str) -> str:
    """What two exact duplicates share: the text without regard to white space."""
    return " ".join(document.split())


def groups(documents: Sequence[str], similarity: float) -> list[int]:
    """For each document the index of the first one of its group.

    A pair of at least `similarity` joins two groups (single linkage), so a group may hold less similar pairs.
    """
    first: dict[str, int] = {}
    parents = [first.setdefault(key(document), index) for index, document in enumerate(documents)]
    distinct = sorted(first.values())
    sets = {index: shingles(key(documents[index])) for index in distinct}
    for one, other in _candidates(sets, similarity):
        a, b = _root(parents, one), _root(parents, other)
        if a != b and jaccard(sets[one], sets[other], similarity) >= similarity:
            parents[max(a, b)] = min(a, b)
    return [_root(parents, index) for index in range(len(documents))]


def _root(parents: list[int], index: int) -> int:
    while parents[index] != index:
        parents[index] = parents[parents[index]]
        index = parents[index]
    return index


def shingles(text: str) -> np.ndarray:
    """Sorted distinct 64-bit fingerprints of all runs of 5 characters, or of the whole shorter text."""
    codes = np.frombuffer(text.encode("utf-32-le"), np.uint32).astype(np.uint64)
    width = min(SHINGLE, len(codes))
    hashes = np.zeros(len(codes) - width + 1, np.uint64)
    for offset in range(width):
        hashes += codes[offset : offset + len(hashes)] * _WEIGHTS[offset]
    hashes ^= hashes >> np.uint64(29)  # mixes high bits into the low ones, which MinHash reads
    hashes *= np.uint64(0xBF58476D1CE4E5B9)
    return np.unique(hashes ^ (hashes >> np.uint64(32)))


def jaccard(one: np.ndarray, other: np.ndarray, at_least: float) -> float:
    """Intersection over union of two shingle sets; 0 when their sizes alone rule `at_least` out."""
    if min(len(one), len(other)) < at_least * max(len(one), len(other)):
        return 0.0
    both = len(np.intersect1d(one, other, assume_unique=True))
    return both / (len(one) + len(other) - both)


def _candidates(sets: dict[int, np.ndarray], similarity: float) -> Iterator[tuple[int, int]]:
    """Pairs (later, earlier) that share a band of their MinHash signatures, in a fixed order."""
    rows = _rows_of_band(similarity)
    index = MinHashLSH(num_perm=_PERMUTATIONS, params=(_PERMUTATIONS // rows, rows))
    empty = MinHash(num_perm=_PERMUTATIONS, seed=1, hashfunc=int)
    for name, hashes in sets.items():
        signature = empty.copy()
        for chunk in _chunks((hashes & np.uint64(0xFFFFFFFF)).tolist()):
            signature.update_batch(chunk)
        yield from ((name, earlier) for earlier in sorted(cast("list[int]", index.query(signature))))
        index.insert(name, signature, check_duplication=False)


def _chunks(values: list[int]) -> Iterable[list[int]]:
    return (values[start : start + _CHUNK] for start in range(0, len(values), _CHUNK))


def _rows_of_band(similarity: float) -> int:
    """The most selective band whose signature still finds a pair at the threshold with the wanted recall."""
    widths = range(_PERMUTATIONS // 2, 1, -1)  # two bands at least
    good = (r for r in widths if 1 - (1 - similarity**r) ** (_PERMUTATIONS // r) >= _RECALL)
    return next(good, 1)
