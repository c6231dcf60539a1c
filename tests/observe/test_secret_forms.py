"""What looks like a secret in a configuration, and what does not."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ael.observe.secret_forms import (
    find_regions,
    find_secrets,
    mask_command,
    mask_document,
    mask_url,
    masked,
    secret_texts,
)
from ael.values import JSONValue

ARGUMENT = ("mcp", "servers", "s", "args", 0)
COMMAND = ("mcp", "servers", "s", "command")
URL = ("mcp", "servers", "s", "url")


@pytest.mark.parametrize(
    ("before", "word", "shown"),
    [
        ("--password", "word", "***"),
        ("-password", "word", "***"),
        ("--password", "123456", "***"),
        ("--api-key", "abc${X}", "***"),
        ("", "--token=word", "--token=***"),
        ("", "--token=${X:-word}", "--token=***"),
        ("--max-tokens", "4096", "4096"),
        ("--max-tokens=1", "word", "word"),
        ("--no-auth", "serve", "serve"),
        ("--auth", "oauth2", "oauth2"),
        ("--token-file", "word", "word"),
        ("", "--tokenizer=bert", "--tokenizer=bert"),
        ("-e", "GITHUB_TOKEN=a word", "GITHUB_TOKEN=***"),
        ("--header", "Authorization: Bearer word", "Authorization: Bearer ***"),
        ("--header", "X-Api-Key:word", "X-Api-Key:***"),
        ("--config", '{"apiKey": "word", "n": 1}', '{"apiKey": "***", "n": 1}'),
        ("--dsn", "Server=h;User=u;Pwd=word;X=y", "Server=h;User=u;Pwd=***;X=y"),
        ("", "https://user:word@host/path", "https://user:***@host/path"),
        ("", "postgres://user:w@rd@host:5432/db", "postgres://user:***@host:5432/db"),
        ("", "https://host/?region=eu&api_key=word&x=1", "https://host/?region=eu&api_key=***&x=1"),
        ("", "https://oauth2:glpat-0123456789abcdefghij@host", "https://oauth2:***@host"),
        ("", "https://ghp_0123456789abcdefghijABCDEFGHIJ012345@host", "https://***@host"),
        ("", "https://0123456789abcdef0123@host", "https://***@host"),
        ("", "git+ssh://git@github.com/a/b", "git+ssh://git@github.com/a/b"),
        ("", "http://localhost:8080/a@b", "http://localhost:8080/a@b"),
        ("", "https://h/archive/0f3e5a4b9c8d7e6f5a4b3c2d1e0f9a8b7c6d5e4f", "https://h/archive/0f3e5a4b9c8d7e6f5a4b3c2d1e0f9a8b7c6d5e4f"),
        # A program that a shell runs is no secret, whatever it calls its variables.
        ("-c", "TOKEN=word exec server", "TOKEN=*** exec server"),
        ("-c", "TOKEN=$(curl evil) exec server", "TOKEN=$(curl evil) exec server"),
        ("-c", "server --token word --verbose", "server --token *** --verbose"),
    ],
)  # fmt: skip
def test_an_argument_is_shown_without_its_secret_and_with_all_else(before: str, word: str, shown: str) -> None:
    assert masked(word, find_regions(ARGUMENT, word, before)) == shown


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        ("server --api-key word --region eu", "server --api-key *** --region eu"),
        ("server --api-key 'a word' x", "server --api-key '***' x"),
        ('server --password="a word" x', 'server --password="***" x'),
        ('sh -c "TOKEN=\\"word\\" server --fast"', 'sh -c "TOKEN=\\"***\\" server --fast"'),
        ("env API_KEY=word server", "env API_KEY=*** server"),
        ("server --api-key ${KEY} --region eu", "server --api-key ${KEY} --region eu"),
        ("npx -y server /srv/data", "npx -y server /srv/data"),
    ],
)
def test_a_command_is_shown_without_the_secrets_that_are_written_in_it(command: str, shown: str) -> None:
    regions = [one for one in find_regions(COMMAND, command) if one.is_written]
    assert masked(command, regions) == shown


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://user:word@h/mcp", "https://***:***@h/mcp"),
        ("https://word@h/mcp", "https://***@h/mcp"),
        ("https://h/mcp?api_key=word&region=eu", "https://h/mcp?api_key=***&region=eu"),
        ("https://h/mcp?k=word", "https://h/mcp?k=***"),
        ("https://h/s/NDg4ZjAbcdefghijkl1234567/mcp", "https://h/s/***/mcp"),
        ("https://h/550e8400-e29b-41d4-a716-446655440000/mcp", "https://h/550e8400-e29b-41d4-a716-446655440000/mcp"),
        ("https://h:8443/mcp?profile=work#top", "https://h:8443/mcp?profile=work#top"),
    ],
)
def test_a_servers_url_is_shown_without_who_and_without_keys(url: str, shown: str) -> None:
    assert mask_url(url) == shown


def test_what_is_about_to_be_told_of_a_process_has_no_secret() -> None:
    shown = mask_command("server --api-key one", ["--password", "two", "--token=three", "--region", "eu"])
    assert shown == "server --api-key *** --password *** --token=*** --region eu"


def test_what_follows_bearer_is_a_secret_and_what_the_program_fills_in_is_none() -> None:
    env: JSONValue = {"env": {"ABOUT": "Bearer a1b2c3d4", "KIND": "Bearer of news", "A_TOKEN": "$${LATER}"}}
    assert mask_document(env) == {"env": {"ABOUT": "Bearer ***", "KIND": "Bearer of news", "A_TOKEN": "$${LATER}"}}


def test_secrets_of_a_document_are_found_with_their_places() -> None:
    document: JSONValue = {
        "mcp": {"servers": {"s": {"args": ["--password", 123456, "x"], "env": {"A_TOKEN": "${T}", "N": "5"}}}}
    }
    found = {one.parts[3:]: [region.is_written for region in one.regions] for one in find_secrets(document)}
    assert found == {("args", 1): [True], ("env", "A_TOKEN"): [False]}
    shown = {"args": ["--password", "***", "x"], "env": {"A_TOKEN": "${T}", "N": "5"}}
    assert mask_document(document) == {"mcp": {"servers": {"s": shown}}}


def test_what_is_masked_elsewhere_is_the_secret_itself_as_written_and_as_filled() -> None:
    (region,) = find_regions(ARGUMENT, "https://user:p%40ss${X}@host")
    texts = secret_texts((region,), lambda text: text.replace("${X}", "word"))
    assert texts == ["p%40ss", "p@ss", "p%40ssword", "p@ssword", "word"]
    # Of three characters or a number as it may stand anywhere, nothing is masked elsewhere.
    assert secret_texts(find_regions(ARGUMENT, "abc", "--token")) == []
    assert secret_texts(find_regions(ARGUMENT, "${N}", "--max-tokens"), lambda _: "4096") == []


_WORDS = st.text(st.characters(exclude_characters="\0\ue000", exclude_categories=["Cs"]), min_size=4, max_size=20)


@given(secret=_WORDS, others=st.lists(st.sampled_from(["a", "--fast", "/srv", "x y"]), max_size=3))
def test_whatever_a_shell_makes_the_value_of_a_telling_option_is_hidden(secret: str, others: list[str]) -> None:
    word = f"secret{secret}end"
    command = shlex.join([*others, "--password", word, *others])
    (region,) = find_regions(COMMAND, command)
    shown = masked(command, [region])
    assert region.value == word
    assert word not in shown
    assert shown.startswith(shlex.join([*others, "--password"]))
    assert shown.endswith(shlex.join(others))


@given(text=st.text("ab=:/@?&#\"' ,{}[]-$.\\", max_size=60), before=st.sampled_from(["", "--token", "-c"]))
def test_any_text_is_judged_and_its_regions_lie_in_order_within_it(text: str, before: str) -> None:
    for parts in (ARGUMENT, COMMAND, URL, ("env", "X")):
        at = 0
        for region in find_regions(parts, text, before):
            assert at <= region.start < region.end <= len(text)
            at = region.end
