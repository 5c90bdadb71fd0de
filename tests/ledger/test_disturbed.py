"""A full disk, a read-only cache: said in a line, and the same bytes once it is mended.

Each disk is a small tmpfs in a mount namespace of the test's own, which is gone with it.
"""

import hashlib
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from flows import stage_process

UNSHARE = (["unshare", "--mount"], ["unshare", "--user", "--map-root-user", "--mount"])
TOY = {
    '{"first": first, ': "{",  # it may go on from a checkpoint, and that is not its result
    'write_text("weights")': 'write_text("weights" * 50000)',
    "write_text(json.dumps(step))": 'write_text(json.dumps(step) + " " * 100000)',
}
MEBIBYTES = 8
DISK = f"mount -t tmpfs -o size={MEBIBYTES}m none {{0}}"
FILL = f"; head -c {MEBIBYTES}M /dev/zero > {{0}}/filler 2>/dev/null; true"
# what is mounted over which folder, how it is mended, and what is said meanwhile
CASES = {
    "outputs": ("models", DISK + FILL, "rm {0}/filler", "gallim: toy: the disk is full; make room"),
    "checkpoints": (
        ".state/scratch",
        DISK + FILL,
        "rm {0}/filler",
        "gallim: toy: the disk is full; make room",
    ),
    "state": (".state", DISK + FILL, "rm {0}/filler", "gallim: toy: the disk is full; make room"),
    "cache while it trains": (
        ".dvc/cache",
        DISK,  # the stage fills it
        "rm {0}/filler",
        ".dvc/cache: the disk is full: 0.0 MiB of 4",
    ),
    "read-only cache": (
        ".dvc/cache",
        "mount --bind {0} {0} && mount -o remount,ro,bind {0}",
        "mount -o remount,rw,bind {0}",
        ".dvc/cache: it cannot be written to; make it writable",
    ),
}


class Mounted:
    """A namespace that lives as long as its shell; `do` runs commands in it, one after the other."""

    def __init__(self, words: list[str], folder: Path, environment: dict[str, str]):
        self._shell = subprocess.Popen(
            [*words, "bash"],
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def do(self, command: str) -> tuple[int, str]:
        """Exit code, and what was said."""
        assert self._shell.stdin is not None
        assert self._shell.stdout is not None
        self._shell.stdin.write(f"( {command} ) </dev/null; code=$?; echo; echo ended $code\n")
        self._shell.stdin.flush()
        said = []
        for line in self._shell.stdout:
            if line.startswith("ended "):
                return int(line.split()[1]), "".join(said)
            said.append(line)
        raise AssertionError("".join(said))

    def close(self) -> None:
        assert self._shell.stdin is not None
        self._shell.stdin.close()
        self._shell.wait(30)
        assert self._shell.stdout is not None
        self._shell.stdout.close()


@pytest.fixture(scope="module")
def unshare() -> list[str]:
    """The words that give a namespace of one's own; the tests are skipped where there is none."""
    for words in UNSHARE:
        if shutil.which("unshare") and subprocess.run([*words, "true"], capture_output=True).returncode == 0:
            return list(words)
    pytest.skip("no mount namespace: neither root nor user namespaces are allowed here")


@pytest.fixture
def mounted(project, unshare: list[str]) -> Iterator[Callable[[], Mounted]]:
    opened: list[Mounted] = []

    def make() -> Mounted:
        opened.append(Mounted(unshare, project.folder, project.environment))
        return opened[0]

    yield make
    for one in opened:
        one.close()


@pytest.fixture(scope="module")
def undisturbed(shared) -> tuple[str, dict[str, str]]:
    """dvc.lock and the outputs' hashes of a run that nothing disturbs."""
    prepare(shared)
    done = shared.repro()
    assert done.returncode == 0, done.stdout + done.stderr
    return result(shared)


def prepare(project) -> None:
    toy = project.folder / "tasks/toy.py"
    text = toy.read_text()
    for old, new in TOY.items():
        assert old in text
        text = text.replace(old, new)
    toy.write_text(text)


def fill_late(project) -> None:
    """DVC's cache is filled by the time the stage ends, which is no part of what it makes."""
    main = project.folder / "tasks/__main__.py"
    filled = 'subprocess.run("head -c 8M /dev/zero > .dvc/cache/filler", shell=True)'
    filled = f'import subprocess; os.path.exists(".dvc/cache/late") and {filled}'
    text = main.read_text().replace(
        "            before.check()\n            room", f"            {filled}\n            room"
    )
    assert filled in text
    main.write_text(text)


def result(project) -> tuple[str, dict[str, str]]:
    outs = ("models/toy", "reports/curves/toy.jsonl", "reports/metrics/toy.json")
    hashes = {out: hashlib.md5((project.folder / out).read_bytes()).hexdigest() for out in outs}
    return (project.folder / "dvc.lock").read_text(), hashes


@pytest.mark.parametrize("case", CASES)
def test_a_disk_that_fails_is_said_and_harms_nothing(project, mounted, undisturbed, case: str):
    folder, broken, mended, said = CASES[case]
    prepare(project)
    (project.folder / folder).mkdir(parents=True, exist_ok=True)
    if case == "cache while it trains":
        fill_late(project)
    inside = mounted()
    code, told = inside.do(broken.format(folder))
    assert code == 0, told
    if case == "cache while it trains":
        inside.do(f"touch {folder}/late")
    repro = " ".join(stage_process.command("toy"))

    code, told = inside.do(repro)
    assert code not in (0, 127)
    assert said in told
    assert "Traceback" not in told
    assert len(told.splitlines()) < 15
    assert not (project.folder / "dvc.lock").exists()

    code, told = inside.do(f"{mended.format(folder)}; rm -f {folder}/late")
    assert code == 0, told
    code, told = inside.do(repro)
    assert code == 0, told
    # the outputs may lie on the namespace's own disk
    hashes = inside.do("md5sum models/toy reports/curves/toy.jsonl reports/metrics/toy.json")[1].split()
    assert dict(zip(hashes[1::2], hashes[::2], strict=True)) == undisturbed[1]
    assert (project.folder / "dvc.lock").read_text() == undisturbed[0]
