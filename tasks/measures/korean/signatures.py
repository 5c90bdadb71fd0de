"""How each measure of a text was computed, in one line each, so that only like figures are compared.

After sacreBLEU (Post 2018, arXiv 1804.08771): name, tokenizer with version, normaliser, version of the code. Measures
that are computed here carry a digest of their source in place of a version.
"""

from __future__ import annotations

import hashlib
from importlib.metadata import version
from pathlib import Path

from tasks.measures.korean import overlap
from tasks.measures.korean.units import UNITS

HERE, ABOVE = Path(__file__).parent, Path(__file__).parents[1]
NORMALISER = "nfc+speaker-tags"
_CLAUSES = ("morphemes", "speakers", "segments", "clauses", "attribution")
# Everything that is computed here, with the files that do it; what stands on morphemes is signed with Kiwi, too.
_OWN = {
    "characters": ("chars", ("surface",)),
    "compression": ("chars", ("surface",)),
    "repetition": ("chars", ("surface",)),
    "invented_numbers": ("digits", ("surface",)),
    "invented_entities": ("kiwi", ("morphemes", "entities")),
    "wrong_speakers": ("kiwi", _CLAUSES),
    "speakers_checked": ("kiwi", _CLAUSES),
    "flipped_negations": ("kiwi", (*_CLAUSES, "negation")),
    "negations_checked": ("kiwi", (*_CLAUSES, "negation")),
    "extractive_coverage": ("kiwi", ("morphemes", "units", "copying")),
    "extractive_density": ("kiwi", ("morphemes", "units", "copying")),
    "mixed_levels": ("kiwi", ("morphemes", "honorifics")),
}


def signatures() -> dict[str, str]:
    """The signature of every measure that `texts.seen` gives, by column."""
    kiwi = _kiwi()
    score = f"rouge_score-{version('rouge_score')}"
    found = {kind: _signed(kind, f"{kiwi}/all", NORMALISER, score) for kind in overlap.KINDS}
    for unit in UNITS:
        tokenizer = f"{kiwi}/{unit}" if unit == "content" else unit
        code = f"{score}+{_code('morphemes', 'units', 'overlap')}"
        for kind in overlap.KINDS:
            found[f"{kind}_{unit}"] = _signed(kind, tokenizer, NORMALISER, code)
    found["chrf"] = f"chrF2|norm:{NORMALISER}|{_sacrebleu()}"
    for name, (tokenizer, files) in _OWN.items():
        normaliser = {"kiwi": NORMALISER, "digits": "nfkc"}.get(tokenizer, "nfc")
        found[name] = _signed(name, kiwi if tokenizer == "kiwi" else tokenizer, normaliser, _code(*files))
    return found


def _signed(name: str, tokenizer: str, normaliser: str, code: str) -> str:
    return f"{name}|tok:{tokenizer}|norm:{normaliser}|v:{code}"


def _kiwi() -> str:
    return f"kiwi-{version('kiwipiepy')}/model-{version('kiwipiepy_model')}"


def _code(*files: str) -> str:
    """The digest of the source of these files, in the place of a version."""
    paths = [
        next(place for place in (HERE / f"{name}.py", ABOVE / f"{name}.py") if place.is_file())
        for name in files
    ]
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in paths))
    return f"gallim-{digest.hexdigest()[:8]}"


def _sacrebleu() -> str:
    overlap.chrf("가", "가")  # it knows the number of references from its last call
    return str(overlap.character_f().get_signature())
