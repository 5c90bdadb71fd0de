"""A checkpoint is whole or skipped: cut off, changed, or with a file too many, it is never loaded."""

import json
import os
import pickle
from pathlib import Path

import pytest
import torch

from tasks.engine import checkpoints
from tasks.engine.training import fit


def made(folder: Path, step: int) -> Path:
    """A whole one of two files."""
    written = folder / checkpoints.ASIDE / f"checkpoint-{step}"
    (written / "adapter").mkdir(parents=True)
    (written / "model.safetensors").write_bytes(bytes(step))
    (written / "adapter/state.json").write_text("{}")
    checkpoints.finish(written, folder)
    return folder / written.name


class Planted:
    """What a pickle runs when it is loaded."""

    def __reduce__(self):
        return os.mkdir, ("ran",)


def cut(checkpoint):
    (checkpoint / "model.safetensors").write_bytes(b"")


def changed(checkpoint):
    (checkpoint / "adapter/state.json").write_text("[]")


def lost(checkpoint):
    (checkpoint / "model.safetensors").unlink()


def planted(checkpoint):
    (checkpoint / "pytorch_model.bin").write_bytes(pickle.dumps(Planted()))


def linked(checkpoint):
    bytes_elsewhere = checkpoint.parent / "elsewhere"
    (checkpoint / "model.safetensors").rename(bytes_elsewhere)
    (checkpoint / "model.safetensors").symlink_to(bytes_elsewhere)


def unlisted(checkpoint):
    (checkpoint / checkpoints.LIST).unlink()


def list_cut(checkpoint):
    path = checkpoint / checkpoints.LIST
    path.write_text(path.read_text()[:-9])


def no_list(checkpoint):
    (checkpoint / checkpoints.LIST).write_text("[]")


FAULTS = {
    cut: "model.safetensors has other bytes",
    changed: "adapter/state.json has other bytes",
    lost: "model.safetensors is missing",
    planted: "pytorch_model.bin is none of its files",
    linked: "model.safetensors has other bytes",
    unlisted: "whole.json is missing",
    list_cut: "whole.json is missing or cut off",
    no_list: "whole.json is no list",
}


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_one_that_is_not_whole_is_removed_with_a_line_and_the_one_before_is_used(fault, tmp_path):
    said: list[str] = []
    older, newer = made(tmp_path, 9), made(tmp_path, 10)  # by number: 10 is newer than 9
    assert checkpoints.last(tmp_path, said.append) == newer
    fault(newer)
    assert checkpoints.last(tmp_path, said.append) == older
    assert len(said) == 1
    assert said[0].startswith(f"warning: checkpoint-10 is not whole ({FAULTS[fault]}")
    assert not newer.exists()
    fault(older)
    assert checkpoints.last(tmp_path, said.append) is None


def test_a_folder_that_is_a_link_is_not_followed(tmp_path):
    elsewhere = made(tmp_path / "elsewhere", 3)
    (tmp_path / "checkpoint-3").symlink_to(elsewhere)
    assert checkpoints.last(tmp_path, lambda line: None) is None
    assert elsewhere.exists()


def test_there_is_none_in_an_empty_folder_and_none_that_is_still_aside(tmp_path):
    assert checkpoints.last(tmp_path, print) is None
    (tmp_path / checkpoints.ASIDE / "checkpoint-4").mkdir(parents=True)
    assert checkpoints.last(tmp_path, print) is None


@pytest.mark.parametrize("engine", ["gallim", "trl"])
@pytest.mark.parametrize("branch", ["dpo", "rloo"])
def test_while_one_is_written_the_last_two_whole_ones_stay(engine, branch, here, scratch, notes, monkeypatch):
    """In our trainers and in TRL's; and what is loaded of one is no pickle that could run."""
    entry, seen, loads = here.entry(branch, steps=4, checkpoint_every=1, engine=engine), [], []
    finish, load = checkpoints.finish, torch.load

    def watched(written, folder):
        assert written.parent.name == checkpoints.ASIDE
        seen.append(sorted(path.name for path in folder.glob("checkpoint-*")))
        assert all(checkpoints.fault_of(path) is None for path in folder.glob("checkpoint-*"))
        finish(written, folder)

    def loaded(path, **options):
        loads.append(options.get("weights_only"))
        return load(path, **options)

    monkeypatch.setattr(checkpoints, "finish", watched)
    monkeypatch.setattr(torch, "load", loaded)
    fit(here.trainer(entry, scratch), notes, scratch)
    names = [f"checkpoint-{step}" for step in range(1, 5)]
    assert seen == [[], names[:1], names[:2], names[1:3]]
    assert sorted(path.name for path in scratch.glob("checkpoint-*")) == names[2:]
    assert not list(scratch.rglob("training_args.bin"))
    assert loads == []
    fit(here.trainer(entry, scratch), notes, scratch)  # from its end
    assert notes.said[-2:] == ["resuming from step 4", "resumed from 4"]
    assert loads
    assert all(loads)


def test_the_list_names_every_file_with_its_sha256(tmp_path):
    listed = json.loads((made(tmp_path, 1) / checkpoints.LIST).read_text())
    assert listed == {  # sha256 of one zero byte, and of {}
        "adapter/state.json": "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
        "model.safetensors": "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    }
