"""What the documentation shows is what happens: its commands are run, its files loaded, its links followed."""

from __future__ import annotations

import importlib.util
import re
import shlex
import subprocess
from pathlib import Path

import pytest
import yaml

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
    done = ael("executions", "list", "-c", config, FILES_TOKEN="a-token-of-files")
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
