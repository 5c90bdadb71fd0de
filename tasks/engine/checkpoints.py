"""Checkpoints that are whole or not there: written aside, synced, listed with their hashes, put in place by one rename.

transformers.Trainer writes file after file into the very folder that it would go on from. A kill leaves a part of one
there, which looks like the newest. Here a checkpoint gets its name when all of it is on the disk, and one that is not
what its list says is never loaded: a training goes on from the last whole one.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from transformers import Trainer
from transformers.trainer import TRAINING_ARGS_NAME

from tasks.engine.models import file_sha256

LIST = "whole.json"  # sha256 of every other file of the checkpoint, by its path in it
ASIDE = "unfinished"
NAME = "checkpoint-"  # as transformers has it; the step follows


def keep_whole(trainer: Trainer) -> None:
    """Nothing; from now on this trainer's checkpoints, ours or TRL's, appear only when they are whole."""
    anyone: Any = trainer
    write, folder = anyone._save_checkpoint, Path(str(trainer.args.output_dir))
    aside = folder / ASIDE

    def save(model: Any, trial: Any) -> None:
        shutil.rmtree(aside, ignore_errors=True)
        anyone._get_output_dir = lambda trial: str(aside)
        try:
            write(model, trial)
        finally:
            del anyone._get_output_dir
        finish(aside / f"{NAME}{trainer.state.global_step}", folder)
        _leave(trainer.args.save_total_limit, folder)

    anyone._save_checkpoint = save


def finish(written: Path, folder: Path) -> None:
    """Nothing; the checkpoint lies in `folder`, with its list, and what lies there beside it is on the disk, too."""
    (written / TRAINING_ARGS_NAME).unlink(missing_ok=True)  # a pickle that nobody reads
    files = sorted(path for path in written.rglob("*") if path.is_file())
    hashes = {path.relative_to(written).as_posix(): file_sha256(path) for path in files}
    (written / LIST).write_text(json.dumps(hashes, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    beside = [path for path in folder.iterdir() if path.is_file()]  # the curve up to here
    for path in (*files, written / LIST, *_folders(written), *beside):
        _sync(path)
    target = folder / written.name
    if target.exists():
        _remove(target)
    os.replace(written, target)
    _sync(folder)


def last(folder: Path, said: Callable[[str], None]) -> Path | None:
    """The newest whole checkpoint, or None; what is newer and not whole is removed, and a line says so."""
    for checkpoint in reversed(_checkpoints(folder)):
        fault = fault_of(checkpoint)
        if fault is None:
            return checkpoint
        said(
            f"warning: {checkpoint.name} is not whole ({fault}): it is removed, and the one before it is used"
        )
        _remove(checkpoint)
    return None


def fault_of(checkpoint: Path) -> str | None:
    """What about it is not as its list says, a file too many included; None where all is."""
    if checkpoint.is_symlink():
        return "it is a link"
    try:
        listed = json.loads((checkpoint / LIST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return f"{LIST} is missing or cut off"
    if not isinstance(listed, dict):
        return f"{LIST} is no list of files"
    found = {
        path.relative_to(checkpoint).as_posix(): path
        for path in checkpoint.rglob("*")
        if path.is_symlink() or not path.is_dir()
    }
    found.pop(LIST)
    for name in sorted(listed.keys() | found.keys()):
        if name not in found:
            return f"{name} is missing"
        if name not in listed:
            return f"{name} is none of its files"
        path = found[name]
        if path.is_symlink() or not path.is_file() or file_sha256(path) != listed[name]:
            return f"{name} has other bytes than were written"
    return None


def step_of(checkpoint: Path) -> int:
    """The optimizer's steps that it comes after."""
    return int(checkpoint.name.removeprefix(NAME))


def _leave(most: int | None, folder: Path) -> None:
    """Nothing; only the newest stay."""
    for checkpoint in _checkpoints(folder)[: -most if most else 0]:
        _remove(checkpoint)


def _checkpoints(folder: Path) -> list[Path]:
    """The oldest first."""
    named = [path for path in folder.glob(f"{NAME}*") if path.name.removeprefix(NAME).isdecimal()]
    return sorted(named, key=step_of)


def _remove(checkpoint: Path) -> None:
    """By a rename first: a kill leaves no part of it under its name."""
    if checkpoint.is_symlink() or not checkpoint.is_dir():
        checkpoint.unlink()
        return
    aside = checkpoint.with_name(ASIDE)
    shutil.rmtree(aside, ignore_errors=True)
    os.replace(checkpoint, aside)
    shutil.rmtree(aside)


def _folders(written: Path) -> list[Path]:
    return [*(path for path in written.rglob("*") if path.is_dir()), written]


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
