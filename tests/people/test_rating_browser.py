"""The page in a real Chromium, driven over its DevTools protocol: keys, both languages, hostile texts, a kill."""

import json
import shutil
import signal
import subprocess
import time
from pathlib import Path
from urllib.request import urlopen

import pytest

from tasks.people import answers

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
LOG = Path("reports/people/dpo-0-vs-rloo-0/answers/kim.jsonl")
SECONDS = 60.0
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")


class Tab:
    """One tab; `asked` are the addresses that it fetched or tried to."""

    def __init__(self, socket):
        self.socket, self.number, self.asked = socket, 0, []
        self.do("Page.enable")
        self.do("Network.enable")

    def do(self, method, **params):
        self.number += 1
        self.socket.send(json.dumps({"id": self.number, "method": method, "params": params}))
        while True:
            told = json.loads(self.socket.recv(timeout=SECONDS))
            if told.get("method") == "Network.requestWillBeSent":
                self.asked.append(told["params"]["request"]["url"])
            if told.get("id") == self.number:
                assert "error" not in told, told
                return told["result"]

    def value(self, script):
        return self.do("Runtime.evaluate", expression=script, returnByValue=True)["result"].get("value")

    def go(self, address):
        self.do("Page.navigate", url=address)

    def press(self, code, key, times=1):
        for _ in range(times):
            for kind in ("keyDown", "keyUp"):
                self.do("Input.dispatchKeyEvent", type=kind, code=code, key=key)

    def wait(self, script):
        end = time.monotonic() + SECONDS
        while not self.value(f"document.readyState === 'complete' && ({script})"):
            assert time.monotonic() < end, f"never {script}: {self.value('document.body.innerText')}"
            time.sleep(0.05)

    def at(self, done):
        """Waits for the page where so many of five are answered, in whichever language."""
        self.wait(f"document.querySelector('progress')?.value === {done} && location.pathname.endsWith('/')")


@pytest.fixture
def tab(tmp_path_factory):
    from websockets.sync.client import connect

    home = tmp_path_factory.mktemp("browser")
    words = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--remote-debugging-port=0")
    words += ("--disable-background-networking", "--window-size=1200,800", f"--user-data-dir={home}")
    with subprocess.Popen((BROWSER, *words), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            ready, end = home / "DevToolsActivePort", time.monotonic() + SECONDS
            while not (ready.exists() and ready.read_text().count("\n")):
                assert process.poll() is None
                assert time.monotonic() < end
                time.sleep(0.05)
            port = ready.read_text().split()[0]
            with urlopen(f"http://127.0.0.1:{port}/json/list", timeout=SECONDS) as told:
                page = next(each for each in json.load(told) if each["type"] == "page")
            with connect(page["webSocketDebuggerUrl"], proxy=None, max_size=None) as socket:
                yield Tab(socket)
        finally:
            process.terminate()
            process.wait(SECONDS)


def verdicts():
    return [row["verdict"] for row in answers.read(LOG)]


def side(row):
    return "left" if row["verdict"] == row["left"] else "right"


def test_a_rater_with_a_keyboard(begin, tab):
    process, _, origin, path = begin()
    tab.go(f"{origin}{path}/ko/")
    tab.at(0)
    assert tab.value("document.querySelector('h1').innerText") == "어느 요약이 더 낫습니까?"
    # texts are text: the planted script and image did not run, and are there to be read
    assert tab.value("document.title") == "어느 요약이 더 낫습니까?"
    assert tab.value("document.querySelectorAll('main script, main img').length") == 0
    assert "<script>document.title" in tab.value("document.querySelector('#left .text').innerText")
    # and were one not escaped, the policy would stop it
    tab.value(
        "document.body.insertAdjacentHTML('beforeend', `<i style='color:red' onclick='document.title=1'>`)"
    )
    tab.value("document.querySelector('i').click()")
    assert tab.value("document.title") == "어느 요약이 더 낫습니까?"
    # the document has the focus, so that the arrow keys up and down scroll it
    assert tab.value("document.activeElement.className") == "document"
    assert tab.value("document.documentElement.scrollHeight <= innerHeight")

    tab.press("Digit1", "1")
    tab.at(1)
    tab.press("ArrowRight", "ArrowRight")
    tab.at(2)
    tab.press("Space", " ")
    tab.at(3)
    tab.press("KeyS", "ㄴ")  # a Korean keyboard
    tab.at(4)
    rows = answers.read(LOG)
    assert [side(row) for row in rows[:2]] == ["left", "right"]
    assert verdicts()[2:] == ["tie", "skip"]
    assert all(0 < row["seconds"] < SECONDS for row in rows)

    tab.press("KeyU", "u")
    tab.at(3)
    tab.do(
        "Input.dispatchKeyEvent", type="keyDown", code="Digit2", key="2", modifiers=2
    )  # Ctrl-2 is the browser's
    tab.press("KeyX", "x")
    assert tab.value("document.querySelector('progress').value") == 3

    process.send_signal(signal.SIGKILL)
    process.wait()
    process, said, origin, path = begin()
    assert said.startswith("3 of 5")
    tab.go(f"{origin}{path}/en/")
    tab.at(3)
    assert tab.value("document.querySelector('h1').innerText") == "Which summary is better?"
    tab.value("document.querySelector('header a').click()")
    tab.wait("document.documentElement.lang === 'ko'")
    tab.value("document.querySelector('button[value=skip]').focus()")
    tab.press("Space", " ")  # presses the button that has the focus
    tab.at(4)
    tab.press("Numpad2", "2")
    tab.at(5)
    assert tab.value("document.querySelector('#end h1').innerText") == "모든 질문에 답했습니다."
    assert verdicts()[2:6] == ["tie", "skip", "undo", "skip"]
    assert side(answers.read(LOG)[-1]) == "right"
    fetched = [url for url in tab.asked if url.startswith(("http", "ws"))]  # the browser has pages of its own
    assert {url.split("/")[2].partition(":")[0] for url in fetched} == {"127.0.0.1"}
    process.send_signal(signal.SIGINT)
    told, _ = process.communicate(timeout=120)
    assert process.returncode == 0, told
    assert "4 verdicts, 1 raters (kim)" in told
