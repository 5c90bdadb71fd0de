"""How the stages of a run came out when they ran again: each output against the hashes of the receipt."""

from dataclasses import dataclass, field
from pathlib import Path

from flows import likeness
from tasks.ledger import artifacts
from tasks.ledger.receipts import Receipt

EQUAL, CLOSE, DIFFERENT = "bit-equal", "within tolerance", "different"
TOLD = (".html", ".md")  # reports, which tell times of their own


@dataclass
class Again:
    """How the stages came out, in the order of the graph."""

    run: Receipt
    main: Path
    stages: dict[str, str] = field(default_factory=dict)  # name -> EQUAL, CLOSE or DIFFERENT
    first: str = ""  # the first that is not equal, and why

    @property
    def outcome(self) -> str:
        found = set(self.stages.values())
        return DIFFERENT if DIFFERENT in found else CLOSE if CLOSE in found else EQUAL

    def judge(self, name: str) -> str:
        """The stage's outputs here against the receipt's, in a sentence."""
        every = [self._out(path) for path in self.run.stages[name]["outs"] if not path.endswith(TOLD)]
        unlike = [line for _, lines in every for line in lines]
        kinds = {kind for kind, _ in every}
        inputs = [f"its input {path} is not the one that was read" for path in foreign(self.run, name)]
        outcome = DIFFERENT if DIFFERENT in kinds else CLOSE if CLOSE in kinds else EQUAL
        self.note(name, outcome, "; ".join([*inputs, *unlike]))
        return "; ".join([outcome, *inputs, *unlike])

    def note(self, name: str, outcome: str, why: str) -> None:
        if outcome != EQUAL and (
            not self.first or (outcome == DIFFERENT and DIFFERENT not in self.stages.values())
        ):
            self.first = f"{name}: {why}"
        self.stages[name] = outcome

    def _out(self, out: str) -> tuple[str, list[str]]:
        """How like the output is, and which of its files are not equal."""
        then = {
            path: one for path, one in self.run.files.items() if path == out or path.startswith(f"{out}/")
        }
        now, kinds, lines = artifacts.of(Path(out)), {EQUAL}, []
        for path in sorted(then.keys() | now.keys()):
            if path in then and path in now and then[path]["sha256"] == now[path].sha256:
                continue
            kind, line = self._file(path, then, now)
            kinds.add(kind)
            lines.append(f"{path} {line}")
        return (DIFFERENT if DIFFERENT in kinds else CLOSE if CLOSE in kinds else EQUAL), lines

    def _file(self, path: str, then: dict, now: dict) -> tuple[str, str]:
        if path not in now or path not in then:
            return DIFFERENT, "was not made again" if path in then else "was not made then"
        old = self._recorded(path, then[path])
        if old is None:
            return DIFFERENT, "has other bytes (those of the run are not here to compare numbers with)"
        found = likeness.differences(old, Path(path))
        if found is None:
            return DIFFERENT, "has other bytes"
        if not found:
            return CLOSE, "has other bytes and the same numbers within the tolerance"
        return DIFFERENT, f"({likeness.told(found)})"

    def _recorded(self, path: str, then: dict) -> Path | None:
        """The file of the run: where it was, or in DVC's cache."""
        here = self.main / self.run.found["run"]["tree"] / path
        if here.is_file() and artifacts.of_file(here).sha256 == then["sha256"]:
            return here
        return artifacts.cached(then["md5"])


def needs(run: Receipt, name: str) -> set[str]:
    """The stages whose outputs this one read."""
    deps = run.stages[name]["deps"]
    return {
        each
        for each, one in run.stages.items()
        if each != name and any(_meet(o, d) for o in one["outs"] for d in deps)
    }


def foreign(run: Receipt, name: str) -> list[str]:
    """What the stage read that no stage makes (code, own data) and that is not here as it was."""
    outs = [out for one in run.stages.values() for out in one["outs"]]
    given = {
        path: known
        for path, known in run.stages[name]["deps"].items()
        if not any(_meet(o, path) for o in outs)
    }
    return [path for path, known in given.items() if artifacts.md5(path, artifacts.of(Path(path))) != known]


def _meet(one: str, other: str) -> bool:
    """Whether two paths are one, or one lies in the other."""
    return one == other or one.startswith(f"{other}/") or other.startswith(f"{one}/")
