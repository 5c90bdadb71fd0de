"""No password and no key in what is shown, logged or kept."""

import pytest

from tasks import __main__ as entry
from tasks.measures.endpoint import _refusal
from tasks.redaction import nobody, redacted
from tasks.refusal import LONGEST, Refusal

KEY = "sk-proj-0123456789abcdef"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://me:pass@host:5000/a", "http://host:5000/a"),
        ("postgresql://:pass@host/db", "postgresql://host/db"),
        ("https://me:p@ss@host/x and ssh://token@host", "https://host/x and ssh://host"),
        ("postgresql://host/db?user=me&password=pass", "postgresql://host/db?user=me&password=***"),
        ("http://host/v1?api_key=abc&x=1", "http://host/v1?api_key=***&x=1"),
        ("Authorization: Bearer abcdefgh12", "Authorization: Bearer ***"),
        ("{'x-api-key': 'abc', 'a': 1}", "{'x-api-key': '***', 'a': 1}"),
        ("mail me@host or http://host/@me, at 10:30", "mail me@host or http://host/@me, at 10:30"),
    ],
)
def test_addresses_and_headers(text, shown):
    assert redacted(text) == shown


@pytest.mark.parametrize(
    "name", ["OPENAI_API_KEY", "HF_TOKEN", "MLFLOW_TRACKING_PASSWORD", "AWS_SECRET_ACCESS_KEY", "my_secret"]
)
def test_secrets_of_the_environment(name, monkeypatch):
    monkeypatch.setenv(name, KEY)
    assert redacted(f"Incorrect API key provided: {KEY}.") == "Incorrect API key provided: ***."


def test_passwords_of_the_environments_addresses_and_pairs(monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://me:tr0ub4dor@host")
    monkeypatch.setenv("GALLIM_UI_AUTH", "admin:correct horse")
    assert redacted("login with tr0ub4dor or correct horse failed") == "login with *** or *** failed"


def test_what_is_short_or_no_secret_stays(monkeypatch):
    monkeypatch.setenv("A_KEY", "a")
    monkeypatch.setenv("MONKEY_BUSINESS", "bananas")
    assert redacted("a bananas") == "a bananas"


def test_a_refusal_is_one_harmless_line(monkeypatch):
    monkeypatch.setenv("HF_TOKEN", KEY)
    refused = Refusal("a\nb\x1b[2J", f"https://me:pass@host said {KEY} \ud800\u202e", "c" * 10_000)
    assert str(refused).startswith("a b\\x1b[2J: https://host said *** \\ud800\\u202e; ccc")
    assert len(str(refused)) < LONGEST + 200
    str(refused).encode("utf-8")


def test_an_endpoints_error_is_redacted_before_it_is_cut(monkeypatch):
    """The key stands across the 200th character."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    said = str(_refusal("place", Exception("x" * 190 + KEY)))
    assert not any(KEY[:length] in said for length in range(6, len(KEY)))


def test_a_traceback_tells_no_key(monkeypatch, capsys):
    def fail(_):
        raise RuntimeError(f"cannot reach https://me:pass@host with {KEY}")

    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setattr(entry.environment, "die_with_parent", lambda: None)  # pytest is to live on
    monkeypatch.setattr(entry.environment, "settle", lambda stage: None)
    monkeypatch.setitem(entry.COMMANDS, "track", fail)
    assert entry.main(["track"]) == entry.FAILED
    said = capsys.readouterr().err
    assert "RuntimeError: cannot reach https://host with ***" in said
    assert KEY not in said


def test_a_password_with_an_at_sign_is_taken_whole_from_what_a_receipt_keeps():
    assert nobody("own: {base: 'https://me:se@cret@example.org/x'}") == (
        "own: {base: 'https://example.org/x'}"
    )
