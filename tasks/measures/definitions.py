"""What each measure of a text is, and which way is better: for readers of the report and of docs/measures.md."""

from __future__ import annotations

from typing import NamedTuple

HIGHER, LOWER, NEITHER = "higher", "lower", "-"


class Definition(NamedTuple):
    """How the report calls a measure, which way is better, and one line of what it is."""

    label: str
    better: str
    meaning: str


_UNITS = {
    "content": "morphemes that carry content",
    "eojeol": "words between spaces, so a missing space is an error",
    "syllable": "characters: syllables, letters, digits, symbols",
    "jamo": "jamo, the letters of syllables",
}
_KINDS = {
    "rouge1": ("ROUGE-1", "F1 of single"),
    "rouge2": ("ROUGE-2", "F1 of pairs of"),
    "rougeL": ("ROUGE-L", "F1 of the longest common subsequence of"),
}

OVERLAP = {
    **{
        kind: Definition(name, HIGHER, f"{what} morphemes, particles and endings included")
        for kind, (name, what) in _KINDS.items()
    },
    **{
        f"{kind}_{unit}": Definition(f"{name} {unit}", HIGHER, f"{what} {_UNITS[unit]}")
        for unit in _UNITS
        for kind, (name, what) in _KINDS.items()
    },
    "chrf": Definition("chrF2", HIGHER, "F2 of character 1- to 6-grams, over 100"),
    "bertscore": Definition("BERTScore", HIGHER, "F1 of greedy matches of contextual embeddings"),
}
FAITHFULNESS = {
    "invented_numbers": Definition(
        "invented numbers", LOWER, "how many numbers of a summary its document does not hold"
    ),
    "invented_entities": Definition(
        "invented names", LOWER, "how many proper nouns, Latin words and tags its document does not hold"
    ),
    "wrong_speakers": Definition(
        "wrong speakers", LOWER, "how many clauses give a deed to another speaker than the dialogue does"
    ),
    "speakers_checked": Definition(
        "speakers checked", NEITHER, "how many clauses could be held against the dialogue for their speaker"
    ),
    "flipped_negations": Definition(
        "flipped negations", LOWER, "how many clauses deny what the document affirms, or the other way round"
    ),
    "negations_checked": Definition(
        "negations checked", NEITHER, "how many clauses could be held against the document for their negation"
    ),
}
SURFACE = {
    "characters": Definition("characters", NEITHER, "length without outer white space"),
    "compression": Definition(
        "compression", NEITHER, "characters of the summary per character of its document"
    ),
    "repetition": Definition(
        "repetition", LOWER, "share of character 3-grams that stood before in the summary"
    ),
    "extractive_coverage": Definition(
        "coverage", NEITHER, "share of morphemes that stand in a fragment copied from the document"
    ),
    "extractive_density": Definition(
        "density", NEITHER, "mean length, in morphemes, of the copied fragment that a morpheme stands in"
    ),
    "mixed_levels": Definition(
        "mixed speech levels",
        LOWER,
        "share of sentences that are not of the summary's most common speech level",
    ),
}
DEFINITIONS = {**OVERLAP, **FAITHFULNESS, **SURFACE}
