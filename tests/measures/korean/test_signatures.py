"""Signatures: one for every measure, naming what it was computed with."""

from __future__ import annotations

import shutil
from importlib.metadata import version

from tasks.measures import texts
from tasks.measures.definitions import DEFINITIONS
from tasks.measures.korean import signatures

ROW = {"document": "민수: 갈게.\n지수: 응.", "summary": "민수가 간다.", "title": None}


def test_every_measure_of_a_text_has_a_signature_and_a_definition():
    assert signatures.signatures().keys() == texts.seen(["민수가 간다."], [ROW]).keys()
    assert signatures.signatures().keys() | {"bertscore"} == DEFINITIONS.keys()


def test_a_signature_names_tokenizer_normaliser_and_version():
    found = signatures.signatures()
    kiwi = f"kiwi-{version('kiwipiepy')}/model-{version('kiwipiepy_model')}"
    scorer = f"rouge_score-{version('rouge_score')}"
    assert found["rouge1"] == f"rouge1|tok:{kiwi}/all|norm:nfc+speaker-tags|v:{scorer}"
    assert found["chrf"].startswith("chrF2|norm:nfc+speaker-tags|nrefs:1|")
    assert found["chrf"].endswith(f"version:{version('sacrebleu')}")
    assert f"tok:{kiwi}|" in found["wrong_speakers"]
    assert "tok:jamo" in found["rougeL_jamo"]


def test_other_code_has_another_signature(tmp_path, monkeypatch):
    before = signatures.signatures()
    shutil.copytree(signatures.HERE, tmp_path / "korean")
    for file in signatures.ABOVE.glob("*.py"):
        shutil.copy(file, tmp_path)
    (tmp_path / "korean/copying.py").write_text("changed", encoding="utf-8")
    monkeypatch.setattr(signatures, "HERE", tmp_path / "korean")
    monkeypatch.setattr(signatures, "ABOVE", tmp_path)
    changed = {name for name, told in signatures.signatures().items() if told != before[name]}
    assert changed == {"extractive_coverage", "extractive_density"}
