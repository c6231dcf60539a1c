"""Systems that give less: the boundary holds or no code runs, and what is missing is said."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REFUSING = str(Path(__file__).parents[1] / "refusing.py")
ESCAPES = """
name: escapes
version: 1
steps:
  - id: chance
    code: |
      from datetime import datetime
      return [sum(range(5)), datetime.now().year > 2000]
"""


@pytest.fixture
def on(environment, tmp_path: Path):
    """Run `ael` on a system that refuses some calls."""
    (tmp_path / "w.yaml").write_text(ESCAPES)

    def run(names: str, *arguments: str, prefix: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
        command = [*prefix, sys.executable, *([REFUSING, names] if names else []), "-m", "ael", *arguments]
        return subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)

    return run


@pytest.mark.parametrize(
    ("refused", "missing"),
    [
        ("unshare", {"namespaces", "empty_root"}),
        ("mount", {"empty_root"}),
        ("landlock", {"landlock"}),
        ("unshare,mount,landlock,personality", {"namespaces", "empty_root", "landlock"}),
    ],
)
def test_without_a_layer_behind_it_seccomp_holds_and_the_rest_is_told(on, refused: str, missing: set[str]) -> None:
    done = on(refused, "run", "w.yaml", "--json")
    assert done.returncode == 0, done.stderr
    execution = json.loads(done.stdout)
    assert execution["outputs"] == [10, True]
    assert "seccomp" in execution["sandbox"]
    assert not missing & set(execution["sandbox"])
    checks = {check["name"]: check for check in json.loads(on(refused, "doctor", "--json").stdout)}
    for name in missing:
        assert checks[f"sandbox: {name}"]["status"] == "warning"
        assert "not in force" in checks[f"sandbox: {name}"]["detail"]
    assert "seccomp" in checks["sandbox"]["detail"]
    assert "seccomp" in on(refused, "run", "w.yaml", "-v").stderr


def test_without_seccomp_no_code_runs_and_the_doctor_says_so(on) -> None:
    done = on("seccomp,prctl_seccomp", "run", "w.yaml", "--json")
    assert done.returncode == 1
    error = json.loads(done.stdout)["error"]
    assert error["code"] == "SANDBOX_UNAVAILABLE"
    assert "seccomp" in error["detail"]
    doctor = on("seccomp,prctl_seccomp", "doctor", "--json")
    assert doctor.returncode == 1
    assert {check["name"]: check["status"] for check in json.loads(doctor.stdout)}["sandbox"] == "failed"


@pytest.mark.skipif(os.getuid() != 0 or not shutil.which("setpriv"), reason="only root can give capabilities up")
@pytest.mark.parametrize(
    "less",
    [
        ("--bounding-set=-sys_admin", "--inh-caps=-all"),
        ("--bounding-set=-all", "--inh-caps=-all"),
        # One who may look everywhere: the interpreter, and this test's directory, are root's.
        (
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
            "--inh-caps=+dac_override",
            "--ambient-caps=+dac_override",
        ),
    ],
    ids=["container", "no capabilities", "another user"],
)
def test_with_fewer_privileges_code_runs_all_the_same(on, less: tuple[str, ...]) -> None:
    done = on("", "run", "w.yaml", "--json", prefix=("setpriv", *less))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["outputs"] == [10, True]
    assert "seccomp" in json.loads(done.stdout)["sandbox"]
