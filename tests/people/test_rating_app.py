"""The page's server: blind, escaped, closed to others."""

import re

import pytest
from starlette.testclient import TestClient

from tasks.people import app, page, words
from tasks.refusal import Refusal

TOKEN, HOST = "token", "http://127.0.0.1:8000"
OWN = {"Origin": HOST}
HOSTILE = "<script>alert(1)</script><b onclick='x'>\"&\x00{document}"


@pytest.fixture
def open_page(sit):
    """`open_page(questions)` is a browser at the page, and the sitting behind it."""

    def opened(questions, **more):
        sitting = sit(questions, **more)
        return TestClient(app.made(sitting, TOKEN), base_url=HOST, follow_redirects=False), sitting

    return opened


def test_an_answer_is_taken_and_the_browser_is_sent_to_the_next(ask, open_page):
    browser, sitting = open_page([ask(0), ask(1)])
    assert f">{sitting.asked[0].left}</div>" in browser.get("/token/en/").text
    answer = browser.post("/token/en/0/left", headers=OWN)
    assert (answer.status_code, answer.headers["location"]) == (303, "/token/en/")
    page = browser.get("/token/en/").text
    assert "1 of 2 answered" in page
    assert f">{sitting.asked[1].left}</div>" in page
    browser.post("/token/en/1/tie", headers=OWN)
    end = browser.get("/token/en/").text
    assert "All questions are answered." in end
    assert re.findall(r'formaction="([^"]+)"', end) == ["2/undo"]


@pytest.mark.parametrize("side", ["left", "right", "tie", "skip"])
def test_each_button_is_an_answer_that_the_log_has(side, ask, open_page):
    browser, sitting = open_page([ask(0)])
    assert f'formaction="0/{side}"' in browser.get("/token/ko/").text
    browser.post(f"/token/ko/0/{side}", headers=OWN)
    [answer] = sitting.log.standing.values()
    assert answer["verdict"] == sitting.asked[0].verdict(side)


def test_no_response_has_a_model_a_seed_or_the_sides(ask, open_page):
    """And the page is the same to the byte whichever model stands on the left."""
    questions = [ask(number) for number in range(6)]
    browser, sitting = open_page(questions, seed=31337)
    for place in range(6):
        for path in ("/token/en/", "/token/ko/"):
            answer = browser.get(path)
            told = answer.text + str(answer.headers)
            assert not re.search(r"dpo|rloo|31337|kim|a_is_left|\bd[0-5]\b", told)
        answer = browser.post(f"/token/en/{place}/left", headers=OWN)
        assert not re.search("dpo|rloo", answer.text + str(answer.headers))
    placed = sitting.asked[0]
    mirrored = placed.question._replace(a=placed.question.b, b=placed.question.a)
    sitting.log.standing.clear()
    before = page.html(sitting, "en")
    sitting.asked[0] = placed._replace(question=mirrored, a_is_left=not placed.a_is_left)
    assert page.html(sitting, "en") == before


def test_texts_are_text(ask, open_page):
    browser, _ = open_page([ask(0, document=HOSTILE, a=HOSTILE + "a", b=HOSTILE + "b")])
    page = browser.get("/token/en/").text
    assert page.count("<script") == 1  # its own
    assert (
        page.count(
            "&lt;script&gt;alert(1)&lt;/script&gt;&lt;b onclick=&#x27;x&#x27;&gt;&quot;&amp;\ufffd{document}"
        )
        == 3
    )
    assert "<b" not in page.replace("<body", "").replace("<button", "")


def test_nothing_comes_from_elsewhere_and_nothing_is_kept(ask, open_page):
    browser, _ = open_page([ask(0)])
    answer = browser.get("/token/en/")
    assert set(re.findall(r'(?:src|href)="([^"]*)"', answer.text)) == {
        "data:,",
        "../rating.css",
        "../rating.js",
        "../ko/",
    }
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert answer.headers["cache-control"] == "no-store"
    for name, kind in app.FILES.items():
        file = browser.get(f"/token/{name}")
        assert file.headers["content-type"].startswith(kind)
        assert "http" not in file.text
        assert "@import" not in file.text


@pytest.mark.parametrize(
    "path", ["/", "/en/", "/tokem/en/", "/token/de/", "/token/page.py", "/token/../params.yaml"]
)
def test_without_the_token_there_is_nothing(path, ask, open_page):
    browser, _ = open_page([ask(0)])
    answer = browser.get(path)
    assert answer.status_code == 404
    assert "문서" not in answer.text
    assert "content-security-policy" in answer.headers


@pytest.mark.parametrize(
    "origin", [{}, {"Origin": "null"}, {"Origin": "http://evil.example"}, {"Origin": "http://127.0.0.1:9"}]
)
def test_an_answer_from_another_page_is_refused(origin, ask, open_page):
    browser, sitting = open_page([ask(0)])
    assert browser.post("/token/en/0/left", headers=origin).status_code == 403
    assert sitting.log.standing == {}


def test_another_name_that_points_here_is_refused(ask, open_page):
    browser, sitting = open_page([ask(0)])
    evil = {"Host": "evil.example:8000", "Origin": "http://evil.example:8000"}
    assert browser.get("/token/en/", headers=evil).status_code == 400
    assert browser.post("/token/en/0/left", headers=evil).status_code == 400
    assert sitting.log.standing == {}


def test_a_word_that_is_no_answer_is_refused(ask, open_page):
    browser, sitting = open_page([ask(0)])
    for path in ("0/both", "x/left", "-1/left"):
        assert browser.post(f"/token/en/{path}", headers=OWN).status_code == 404
    assert browser.get("/token/en/0/left").status_code == 405
    assert sitting.log.standing == {}


def test_both_languages_have_all_words():
    english, korean = (words.WORDS[language] for language in ("en", "ko"))
    assert english.keys() == korean.keys()
    for name in english:
        assert re.search("[가-힣]", korean[name]), name
        assert sorted(re.findall(r"\{\w+\}", english[name])) == sorted(
            re.findall(r"\{\w+\}", korean[name])
        ), name


def test_a_token_is_new_each_time_and_long():
    assert app.new_token() != app.new_token()
    assert len(app.new_token()) >= 22  # 16 bytes in base 64


def test_a_taken_port_is_refused():
    with app.bound(0) as at:
        assert at.getsockname()[0] == "127.0.0.1"
        with pytest.raises(Refusal, match="give another by --port"):
            app.bound(at.getsockname()[1])
