"""A stub of a judge behind an OpenAI-compatible endpoint, to try the stage duel and the command agreement with.

    python -m bench.stub_judge longer 8123

It answers the questions of assets/duels by a rule and knows nothing: `longer` prefers the longer summary, `lead` the
one that has more different words of the document's first sixty, `first` whatever comes first.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

LEAD_WORDS = 60


def lead(document: str, summary: str) -> float:
    """How many different words of the document's beginning the summary has."""
    words = re.findall(r"\w+", document.lower())[:LEAD_WORDS]
    return len(set(words) & set(re.findall(r"\w+", summary.lower())))


RULES: Mapping[str, Callable[[str, str], float]] = {
    "longer": lambda document, summary: len(summary),
    "lead": lead,
    "first": lambda document, summary: 0.0,
}


def reply(rule: str, question: str, rubric: str) -> str:
    """A verdict behind the mark that the rubric asks for."""
    texts, marks = json.loads(question), re.findall(r"VERDICT-[0-9a-f]{16}:", rubric)
    first, second = (RULES[rule](texts["document"], texts[side]) for side in "AB")
    verdict = "A" if first > second or rule == "first" else "B" if second > first else "TIE"
    return f"A {first:g}, B {second:g}\n{marks[-1]} {verdict}"


def handler(rule: str) -> type[BaseHTTPRequestHandler]:
    """What answers each request by the rule."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            rubric, question = (message["content"] for message in asked["messages"])
            message = {"role": "assistant", "content": reply(rule, question, rubric)}
            choice = {"index": 0, "finish_reason": "stop", "message": message}
            whole = {"id": "stub", "object": "chat.completion", "created": 0, "model": asked["model"]}
            body = json.dumps(whole | {"choices": [choice]}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler


def main(rule: str, port: int) -> None:
    """Serves until it is interrupted."""
    ThreadingHTTPServer(("127.0.0.1", port), handler(rule)).serve_forever()


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in RULES:
        sys.exit(f"usage: python -m bench.stub_judge {'|'.join(RULES)} PORT")
    main(sys.argv[1], int(sys.argv[2]))
