"""What the documentation shows is what happens: its commands are run, its files loaded, its links followed."""

from __future__ import annotations

import importlib.util
import json
import re
import shlex
import subprocess
from pathlib import Path

import pytest
import yaml

from ael.workflow.expressions.filters import FILTERS, TESTS

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "benchmarks/RESULTS.md"]
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(language: str) -> list[tuple[str, str]]:
    found = []
    for page in PAGES:
        for number, match in enumerate(_FENCE.finditer(page.read_text())):
            if match[1] == language:
                found.append((f"{page.name}:{number}", match[2]))
    return found


def commands() -> list[tuple[str, str, str]]:
    """Every command after a `$` and the output shown below it."""
    found = []
    for name, text in blocks("console"):
        for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            found.append((name, command, output.strip()))
    return found


@pytest.mark.parametrize(("name", "command", "output"), commands())
def test_a_command_does_what_the_page_shows(
    name: str, command: str, output: str, environment: dict[str, str], tmp_path: Path
) -> None:
    # `uv run` sets up what this environment has already; what it runs is the same.
    words = shlex.split(command.removeprefix("uv run "))
    done = subprocess.run(
        words,
        env={**environment, "AEL_DB": str(tmp_path / "ael.db")},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, f"{name}: {done.stderr}"
    if output:
        assert done.stdout.strip() == output


YAML = blocks("yaml")


@pytest.mark.parametrize(("name", "text"), [block for block in YAML if "steps:" in block[1]])
def test_a_workflow_on_a_page_is_valid_and_runs(name: str, text: str, ael, write) -> None:
    path = write("workflow.yaml", text)
    assert ael("validate", "--strict", path).returncode == 0, name
    done = ael("run", path)
    assert done.returncode == 0, f"{name}: {done.stderr}"


@pytest.mark.parametrize(("name", "text"), [block for block in YAML if "steps:" not in block[1]])
def test_a_configuration_on_a_page_is_valid(name: str, text: str, ael, write) -> None:
    assert set(yaml.safe_load(text)) <= {"mcp", "tools", "execution", "python_exec", "workflows", "logging", "security"}
    config = write("ael-config.yaml", text)
    done = ael("executions", "list", "-c", config, FILES_TOKEN="a-token-of-files", SEARCH_TOKEN="a-token-of-search")
    assert done.returncode == 0, f"{name}: {done.stderr}"


def test_links_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text()):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name} → {target}"


def test_generated_pages_say_what_the_code_says() -> None:
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs/generate.py")
    assert spec is not None
    assert spec.loader is not None
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    for name, page in generate.GENERATED.items():
        assert (ROOT / "docs" / name).read_text() == page(), "run `uv run python docs/generate.py`"


def test_readme_starts_with_the_two_commands() -> None:
    lines = [line.strip() for line in (ROOT / "README.md").read_text().splitlines() if line.startswith("    ")]
    assert lines[:2] == [
        "pip install uv && uv run ael run examples/workflows/hello-world.yaml",
        "pip install uv && uv run pytest",
    ]


#: `expression` → `value`, and `expression` fails: reason.
_EXAMPLE = re.compile(r"`([^`]+)` → `([^`]+)`")
_FAILING = re.compile(r"`([^`]+)` fails: (.*?)(?=<br>| \|$)", re.MULTILINE)
EXPRESSIONS = (ROOT / "docs/expressions.md").read_text()


def inputs_of_the_page() -> str:
    (workflow,) = (text for name, text in YAML if name.startswith("expressions.md"))
    return workflow.partition("steps:")[0] + "steps: [{id: a, code: return 1}]\n"


def test_every_expression_on_the_page_gives_what_the_page_says(ael, write) -> None:
    examples = [(left.replace("\\|", "|"), right.replace("\\|", "|")) for left, right in _EXAMPLE.findall(EXPRESSIONS)]
    assert len(examples) > 100
    output = json.dumps({str(number): f"{{{{ {text} }}}}" for number, (text, _) in enumerate(examples)})
    done = ael("run", write("w.yaml", f"{inputs_of_the_page()}output: {output}\n"))
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    for number, (text, shown) in enumerate(examples):
        assert json.dumps(found[str(number)], ensure_ascii=False) == shown, text


@pytest.mark.parametrize(("text", "reason"), _FAILING.findall(EXPRESSIONS))
def test_every_expression_that_fails_says_what_the_page_says(text: str, reason: str, ael, write) -> None:
    output = json.dumps("{{ " + text.replace("\\|", "|") + " }}")
    done = ael("run", write("w.yaml", f"{inputs_of_the_page()}output: {output}\n"), "--json")
    assert done.returncode == 1
    error = json.loads(done.stdout)["error"]
    assert error["code"] == "TEMPLATE_ERROR"
    assert reason.replace("\\|", "|") in error["detail"]


def test_every_filter_and_test_has_its_row() -> None:
    first_cells = " ".join(re.findall(r"^\| (`.*?) \|", EXPRESSIONS, re.MULTILINE))
    named = set(re.findall(r"`([a-z0-9_]+|[=!<>]+)(?:\([^`]*\))?`", first_cells))
    assert set(FILTERS) | set(TESTS) <= named
