"""What ROUGE cannot see: names that a summary invents, negations it turns around, deeds it gives to the wrong speaker.

Counts a summary, best at 0. Each check is a heuristic over Kiwi's morphemes with limits of its own (docs/measures.md):
it speaks of clauses that it can hold against the document, whose number stands beside it, and is silent on all others.
"""

from __future__ import annotations

from tasks.measures.korean.attribution import wrong_speakers
from tasks.measures.korean.entities import invented_entities
from tasks.measures.korean.negation import flipped_negations


def faithfulness(summary: str, document: str) -> dict[str, int]:
    """Invented entities; wrong speakers and flipped negations, each with the number of clauses that were checked."""
    wrong, of_speakers = wrong_speakers(summary, document)
    flipped, of_negations = flipped_negations(summary, document)
    return {
        "invented_entities": invented_entities(summary, document),
        "wrong_speakers": wrong,
        "speakers_checked": of_speakers,
        "flipped_negations": flipped,
        "negations_checked": of_negations,
    }
