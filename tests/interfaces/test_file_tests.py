"""`ael test`: tests that workflow files carry, through the command line."""

from __future__ import annotations

import json
import shutil
import stat
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
Write = Callable[[str, str], str]

FLOW = """\
# How a price is doubled.
name: price
version: 1
inputs:
  - price: {type: number}
steps:
  - id: fetch
    tool: http_request
    params: {url: "https://x/{{ inputs.price }}"}
    retry: {max_attempts: 2, initial_delay: 60}
  - id: total
    code: |
      return {"total": {{ inputs.price }} * 2, "status": {{ steps.fetch.output.status }}}
  - id: large
    when: steps.total.output.total > 100
    code: return "large"
output: "{{ steps.total.output }}"
"""


@pytest.fixture
def check(ael, write: Write):
    """Run the tests of a workflow and return the report of its file."""

    def run(tests: str, flow: str = FLOW, *options: str) -> list[dict[str, Any]]:
        path = write("flow.yaml", f"{flow}tests:\n{tests}")
        done = ael("test", "--json", path, *options)
        (report,) = json.loads(done.stdout)
        assert not report["problems"], report["problems"]
        assert done.returncode == int(not all(test["passed"] for test in report["tests"]))
        found: list[dict[str, Any]] = report["tests"]
        return found

    return run


def keys(test: dict[str, Any]) -> list[str]:
    return [mismatch["key"] for mismatch in test["mismatches"]]


def test_every_example_carries_tests_and_passes_them(ael) -> None:
    done = ael("test", str(EXAMPLES), "--json")
    assert done.returncode == 0, done.stdout
    reports = json.loads(done.stdout)
    assert {Path(report["file"]).name for report in reports} == {
        file.name for file in (EXAMPLES / "workflows").glob("*.yaml")
    }
    assert all(report["tests"] for report in reports)


def test_mocks_answer_in_turn_and_raise_and_nobody_waits_between_attempts(check) -> None:
    (test,) = check(
        """
  - name: second time lucky
    inputs: {price: 2}
    mocks: {http_request: [{error: TOOL_TIMEOUT}, {status: 200}]}
    expect:
      output: {total: 4, status: 200}
      steps: {fetch: completed, large: skipped}
      calls: {http_request: 2}
"""
    )
    assert test["passed"], test


def test_a_mock_that_is_no_list_answers_every_call_and_patterns_come_after_names(check) -> None:
    flow = """\
name: many
version: 1
steps:
  - {id: a, foreach: "[1, 2, 3]", tool: github__get, params: {n: "{{ item }}"}, max_parallel: 3}
  - {id: b, tool: github__list}
  - {id: c, tool: get}
output: ["{{ steps.a.output }}", "{{ steps.b.output }}", "{{ steps.c.output }}"]
"""
    (test,) = check(
        """
  - mocks:
      "github__*": {any: result}
      github__list: [[1, 2]]
      "g?t": {returns: [7]}
    expect:
      output: [[{any: result}, {any: result}, {any: result}], [1, 2], [7]]
      calls: {"github__*": 4, get: 1, github__get: [{n: 1}, {n: 2}, {n: 3}]}
""",
        flow,
    )
    assert test["passed"], test
    assert test["name"] == "test 1"


def test_an_answer_may_depend_on_the_parameters(check) -> None:
    flow = "name: m\nversion: 1\nsteps:\n  - {id: a, foreach: '[2, 1, 2]', tool: t, params: {n: '{{ item }}', x: 0}}\n"
    (test,) = check(
        """
  - mocks:
      t:
        - {params: {n: 2}, returns: two}
        - one
    expect: {output: [two, one, two]}
""",
        flow,
    )
    assert test["passed"], test


def test_a_call_without_an_answer_fails_the_test_even_where_the_workflow_goes_on(check) -> None:
    flow = "name: m\nversion: 1\nsteps:\n  - {id: a, tool: fetch, on_error: continue}\n  - {id: b, tool: fetch, on_error: continue}\n"
    none, used_up, close = check(
        """
  - {name: none, expect: {status: completed}}
  - {name: used up, mocks: {fetch: [1]}}
  - {name: close, mocks: {fetsh: 1}}
""",
        flow,
    )
    assert keys(none) == ["", ""]
    assert none["mismatches"][0]["step_id"] == "a"
    assert "no mock answers it" in none["mismatches"][0]["message"]
    assert "mock 'fetch' has 1 answers, and they are used up" in used_up["mismatches"][0]["message"]
    assert "did you mean 'fetsh'?" in close["mismatches"][0]["message"]


def test_what_differs_is_shown_with_its_step(check, ael, write: Write) -> None:
    tests = """
  - name: wrong
    inputs: {price: 60}
    mocks: {http_request: {status: 200}}
    expect:
      output: {total: 119, status: 200}
      steps: {large: skipped}
      calls: {http_request: [{url: "https://x/61"}]}
"""
    (test,) = check(tests)
    assert keys(test) == ["output", "steps", "calls"]
    output, steps, calls = test["mismatches"]
    assert (output["step_id"], steps["step_id"], calls["step_id"]) == ("total", "large", "fetch")
    assert '-  "total": 119' in output["difference"]
    assert '+  "total": 120' in output["difference"]
    done = ael("test", write("flow.yaml", f"{FLOW}tests:\n{tests}"))
    assert done.stdout.splitlines()[1].startswith("✗ wrong")
    assert "  step 'large' is completed, not skipped" in done.stdout
    assert max(map(len, done.stdout.splitlines()[1:])) <= 80
    assert "1 failed" in done.stderr


@pytest.mark.parametrize(
    ("expect", "key"),
    [
        ("{status: failed}", "status"),
        ("{error: TOOL_FAILED}", "error"),
        ("{output_contains: {total: 5}}", "output_contains"),
        ("{output_contains: {missing: 5}}", "output_contains"),
        ("{output: null}", "output"),
        ("{output: {total: 4, status: true}}", "output"),
        ("{output_schema: {required: [missing]}}", "output_schema"),
        ("{calls: {http_request: 0}}", "calls"),
        ("{calls: {other: 1}}", "calls"),
        ("{steps: {total: failed}}", "steps"),
    ],
)
def test_each_expectation_can_fail(check, expect: str, key: str) -> None:
    (test,) = check(f"\n  - {{inputs: {{price: 2}}, mocks: {{http_request: {{status: 1}}}}, expect: {expect}}}\n")
    assert keys(test) == [key]


@pytest.mark.parametrize(
    "expect",
    [
        "{}",
        "{output_contains: {total: 4}}",
        "{output_schema: {type: object}}",
        "{output: {total: 4.0, status: 1}}",
        "{calls: {http_request: [{}]}}",
    ],
)
def test_each_expectation_can_hold(check, expect: str) -> None:
    (test,) = check(f"\n  - {{inputs: {{price: 2}}, mocks: {{http_request: {{status: 1}}}}, expect: {expect}}}\n")
    assert test["passed"], test


def test_errors_are_expected_by_code_text_and_step(check) -> None:
    tests = check(
        """
  - {name: code, inputs: {price: 2}, mocks: {http_request: {error: TOOL_REJECTED}}, expect: {error.code: TOOL_REJECTED}}
  - {name: all, inputs: {price: 2}, mocks: {http_request: {error: PARAM_INVALID, detail: no url}},
     expect: {status: failed, error: {code: PARAM_INVALID, contains: no url, step: fetch}}}
  - {name: input, inputs: {price: much}, expect: {error: INPUT_INVALID}}
  - {name: unexpected, inputs: {price: 2}, mocks: {http_request: {error: TOOL_REJECTED, detail: because}}}
  - {name: another, inputs: {price: 2}, mocks: {http_request: {error: TOOL_REJECTED}}, expect: {error: {step: total}}}
  - {name: other text, inputs: {price: 2}, mocks: {http_request: {error: TOOL_REJECTED}}, expect: {error: {contains: x9}}}
"""
    )
    assert [test["passed"] for test in tests] == [True, True, True, False, False, False]
    assert "because" in tests[3]["error"]["detail"]
    assert [keys(test) for test in tests[3:]] == [["status"], ["error"], ["error"]]


def test_a_limit_without_an_end_is_an_error_that_can_be_expected(check) -> None:
    flow = "name: m\nversion: 1\ndefaults: {sandbox: {timeout: 0.2}}\nsteps:\n  - {id: a, code: 'while True: pass'}\n"
    (test,) = check("\n  - {expect: {error: CODE_TIMEOUT}}\n", flow)
    assert test["passed"], test


def test_time_chance_and_ids_are_fixed(ael, write: Write) -> None:
    flow = """\
name: fixed
version: 1
steps:
  - id: a
    code: |
      import datetime, random, uuid
      return [datetime.datetime.now().isoformat(), random.random(), str(uuid.uuid4())]
  - {id: w, wait: {seconds: 86400}}
output: {a: "{{ steps.a.output }}", w: "{{ steps.w.output.waited_until }}", id: "{{ execution.id }}", e: "{{ env.PLACE }}"}
tests:
  - {name: one, time: 2031-05-06T07:08:09Z, seed: 5, env: {PLACE: here}, expect: {output: 0}}
  - {name: two, time: 2031-05-06T07:08:09Z, seed: 6, env: {PLACE: there}, expect: {output: 0}}
"""
    config = write("c.yaml", "security: {template_env: [PLACE]}\n")
    path = write("flow.yaml", flow)
    first, second = (json.loads(ael("test", "--json", "-c", config, path).stdout)[0]["tests"] for _ in range(2))
    assert [test["mismatches"] for test in first] == [test["mismatches"] for test in second]
    lines = "".join(first[0]["mismatches"][0]["difference"])
    assert "2031-05-06T07:08:09" in lines
    assert "2031-05-07T07:08:09.000Z" in lines
    assert '"here"' in lines
    assert lines != "".join(first[1]["mismatches"][0]["difference"])


def test_approvals_are_answered_by_the_mocks(check) -> None:
    flow = """\
name: m
version: 1
inputs: [amount: {type: integer, default: 5}]
steps:
  - id: ask
    approval: {message: "Pay {{ inputs.amount }}?", timeout: 60, choices: [card, cash]}
    on_error: continue
  - {id: pay, when: steps.ask.status == 'completed', tool: pay, params: {by: "{{ steps.ask.output.choice }}"}}
output: "{{ [steps.ask.output, steps.ask.error.code if steps.ask.error else none] }}"
"""
    tests = check(
        """
  - name: approved
    mocks: {approvals: {ask: {verdict: approve, by: Ada, comment: fine, choice: cash}}, pay: ok}
    expect:
      output: [{approved: true, by: Ada, at: "2026-01-01T00:00:00.000Z", comment: fine, choice: cash}, null]
      calls: {pay: [{by: cash}]}
  - {name: rejected, mocks: {approvals: {ask: reject}}, expect: {output: [null, APPROVAL_REJECTED], calls: {pay: 0}}}
  - {name: expired, mocks: {approvals: {ask: expire}}, expect: {output: [null, APPROVAL_EXPIRED]}}
  - {name: odd choice, mocks: {approvals: {ask: {verdict: approve, choice: gold}}}, expect: {output: [null, OUTPUT_INVALID]}}
  - {name: nobody, expect: {output: [null, WORKFLOW_INVALID]}}
""",
        flow,
    )
    assert [test["mismatches"] for test in tests] == [[]] * 5


def test_a_child_runs_in_the_test_with_the_same_mocks(ael, write: Write) -> None:
    write("workflows/child.yaml", "name: child\nversion: 1\nsteps: [{id: x, tool: fetch}]\n")
    write(
        "workflows/parent.yaml",
        "name: parent\nversion: 1\nsteps:\n  - {id: a, workflow: child}\n  - {id: b, tool: fetch}\n"
        'output: ["{{ steps.a.output }}", "{{ steps.b.output }}"]\n'
        "tests: [{mocks: {fetch: [1, 2]}, expect: {output: [1, 2], calls: {fetch: 2}}}]\n",
    )
    assert ael("test").returncode == 0


def test_tests_are_chosen_by_name_and_a_run_without_any_is_no_success(ael, write: Write) -> None:
    path = write(
        "flow.yaml", "name: m\nversion: 1\nsteps: [{id: a, code: return 1}]\ntests: [{name: One}, {name: two}]\n"
    )
    assert "1 passed" in ael("test", path, "-k", "one").stderr
    done = ael("test", path, "-k", "three")
    assert done.returncode == 1
    assert "no tests" in done.stderr


def test_broken_files_are_told_beside_the_others(ael, write: Write, tmp_path: Path) -> None:
    write("flows/good.yaml", "name: good\nversion: 1\nsteps: [{id: a, code: return 1}]\ntests: [{name: one}]\n")
    write("flows/bad.yaml", "name: bad\nversion: 1\nsteps: [{id: a, cod: return 1}]\n")
    done = ael("test", "flows", "--junit", "report.xml")
    assert done.returncode == 1
    assert "✓ one" in done.stdout
    assert "Did you mean 'code'?" in done.stderr
    suites = ET.parse(tmp_path / "report.xml").getroot()
    assert [(suite.get("failures"), suite.get("errors")) for suite in suites] == [("0", "1"), ("0", "0")]


def test_the_junit_report_holds_whatever_a_difference_holds(ael, write: Write, tmp_path: Path) -> None:
    path = write(
        "flow.yaml",
        "name: m\nversion: 1\nsteps: [{id: a, code: 'return chr(1) + \"<&\\u2028\"'}]\ntests: [{name: a<b, expect: {output: x}}]\n",
    )
    assert ael("test", path, "--junit", "report.xml").returncode == 1
    (case,) = ET.parse(tmp_path / "report.xml").getroot().iter("testcase")
    assert case.get("name") == "a<b"
    assert "<&" in (case[0].text or "")


@pytest.mark.parametrize(
    ("tests", "place", "said"),
    [
        ("[{mock: {a: 1}}]", "", "Did you mean 'mocks'?"),
        ("[{mocks: {t: {error: TOOL_TIMEOT}}}]", "", "Did you mean 'TOOL_TIMEOUT'?"),
        ("[{mocks: {t: {params: {a: 1}}}}]", "", "one of 'returns' and 'error'"),
        ("[{mocks: {approvals: {a: yes-please}}}]", "", "an approval is one of approve, reject, expire"),
        ("[{expect: {error: TOOL_FAILD}}]", "", "Did you mean 'TOOL_FAILED'?"),
        ("[{expect: {steps: {b: failed}}}]", "", "there is no step 'b'"),
        ("[{expect: {steps: {a: done}}}]", "", "Did you mean 'completed'?"),
        ("[{expect: {calls: {t: often}}}]", "", "how often it is called"),
        ("[{expect: {output_schema: {type: text}}}]", "", "'output_schema' is no JSON Schema"),
        ("[{time: soon}]", "", "'time' is a time"),
        ("[{name: a}, {name: a}]", "", "two tests have the name 'a'"),
        ("{a: 1}", "", "'tests' is a list"),
    ],
)
def test_a_wrong_test_is_a_mistake_of_the_file(ael, write: Write, tests: str, place: str, said: str) -> None:
    path = write("flow.yaml", f"name: m\nversion: 1\nsteps: [{{id: a, code: return 1}}]\ntests: {tests}\n")
    done = ael("validate", path)
    assert done.returncode == 1
    assert said in done.stderr
    assert "flow.yaml:4:" in done.stderr


UNDER = """\
tests:
  # why this one
  - name: wrong
    inputs: {price: 2}
    mocks: {http_request: {status: 200}}
    expect:
      output: {total: 5}   # five
      calls: {http_request: 2}

  - {name: short, inputs: {price: 2}, mocks: {http_request: {error: TOOL_FAILED}}, expect: {output: 1}}
  - name: nothing said
    inputs: {price: -1}
    mocks: {http_request: {error: TOOL_REJECTED}}
  - name: no mock
    inputs: {price: 3}
    expect: {output: 1}
# the end
"""


def test_update_writes_what_came_out_and_leaves_the_rest_alone(ael, write: Write, tmp_path: Path) -> None:
    path = write("flow.yaml", FLOW + UNDER)
    Path(path).chmod(0o640)
    done = ael("test", "--update", path)
    assert done.returncode == 1
    assert "'no mock' needs a person" in done.stderr
    text = Path(path).read_text()
    assert text.startswith("# How a price is doubled.\n")
    assert "  # why this one\n" in text
    assert text.endswith("# the end\n")
    assert stat.S_IMODE(Path(path).stat().st_mode) == 0o640
    again = json.loads(ael("test", "--json", path).stdout)[0]["tests"]
    assert [test["passed"] for test in again] == [True, True, True, False]
    assert "{name: short, inputs: {price: 2}, mocks: {http_request: {error: TOOL_FAILED}}, expect: {" in text
    assert [entry.name for entry in tmp_path.iterdir() if entry.name.startswith(".flow")] == []


def test_record_writes_a_test_that_passes(ael, write: Write, tmp_path: Path) -> None:
    config = tmp_path / "ael-config.yaml"
    config.write_text("mcp: {servers: {time: {command: mcp-server-time}}}\n")
    path = write(
        "flow.yaml",
        """\
name: zones
version: 1
inputs: [{zones: {type: array}}, {key: {type: string, secret: true}}]
steps:
  - id: each
    foreach: inputs.zones
    max_parallel: 3
    on_item_error: continue
    tool: convert_time
    params: {source_timezone: UTC, time: "12:00", target_timezone: "{{ item }}"}
  - id: when
    code: |
      import time
      return [time.time(), "on", "1.10", "two\\nlines", "{{ inputs.key }}"]
output: {hours: "{{ steps.each.output | map(attribute='time_difference', default='?') }}", when: "{{ steps.when.output }}"}
# the end
""",
    )
    ran = ael("run", path, "--json", "-i", 'zones=["Asia/Tokyo", "Nowhere", "UTC"]', "-i", "key=hidden-secret")
    execution = json.loads(ran.stdout)["execution_id"]
    done = ael("test", "--record", execution[:14])
    assert done.returncode == 0, done.stdout + done.stderr
    assert "wrote the test 'as in exec-" in done.stdout
    assert "In a test time stands still" in done.stderr
    assert "hidden-secret" not in Path(path).read_text()
    checked = ael("test", path)
    assert checked.returncode == 0, checked.stdout
    ael("test", "--record", execution, path)
    names = [test["name"] for test in json.loads(ael("test", "--json", path).stdout)[0]["tests"]]
    assert names == [f"as in {execution[:13]}", f"as in {execution[:13]} (2)"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{name: m, version: 1, steps: [{id: a, code: return 1}]}\n", "written in braces"),
        ("name: m\nversion: 1\nsteps: [{id: a, code: return 1}]\ntests: [{name: x}]\n", "written in brackets"),
    ],
)
def test_record_refuses_a_file_that_it_cannot_edit_and_leaves_it(ael, write: Write, text: str, said: str) -> None:
    path = write("flow.yaml", text)
    execution = json.loads(ael("run", "--json", path).stdout)["execution_id"]
    done = ael("test", "--record", execution)
    assert done.returncode == 1
    assert said in done.stderr
    assert Path(path).read_text() == text


@pytest.mark.parametrize("tail", ["", "tests: []\n", "tests:\n- name: x\n", "# end"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_record_finds_the_place_in_every_layout(ael, write: Write, tail: str, newline: str, tmp_path: Path) -> None:
    text = f"name: m\nversion: 1\nsteps: [{{id: a, code: 'return \"é\"'}}]\n{tail}".replace("\n", newline)
    path = tmp_path / "flow.yaml"
    path.write_bytes(text.encode())
    execution = json.loads(ael("run", "--json", "flow.yaml").stdout)["execution_id"]
    assert ael("test", "--record", execution).returncode == 0
    written = path.read_bytes().decode()
    assert written.count("\n") == written.count(newline)
    tests = json.loads(ael("test", "--json", "flow.yaml").stdout)[0]["tests"]
    assert all(test["passed"] for test in tests)
    assert tests[-1]["name"].startswith("as in")


def test_with_inputs_the_workflow_runs_once_with_its_real_servers(ael, write: Write) -> None:
    write("ael-config.yaml", "mcp: {servers: {time: {command: mcp-server-time}}}\n")
    path = write(
        "flow.yaml",
        "name: m\nversion: 1\ninputs: [zone]\nsteps:\n"
        "  - {id: now, tool: get_current_time, params: {timezone: '{{ inputs.zone }}'}}\noutput: '{{ steps.now.output.timezone }}'\n",
    )
    done = ael("test", path, "-i", "zone=UTC")
    assert (done.returncode, done.stdout) == (0, "UTC\n")
    assert "call 1 get_current_time" in done.stderr
    assert ael("test", path, path, "-i", "zone=UTC").returncode == 2
    assert ael("test", path, "-i", "zone").returncode == 2


def test_many_tests_run_at_the_same_time_and_report_in_order(ael, write: Write) -> None:
    tests = "".join(
        f"  - {{name: t{number}, inputs: {{n: {number}}}, expect: {{output: {number}}}}}\n" for number in range(40)
    )
    path = write(
        "flow.yaml",
        f"name: m\nversion: 1\ninputs: [n: {{type: integer}}]\nsteps:\n  - {{id: a, code: 'return inputs[\"n\"]'}}\ntests:\n{tests}",
    )
    for jobs in ("1", "8"):
        found = json.loads(ael("test", "--json", "-j", jobs, path).stdout)[0]["tests"]
        assert [test["name"] for test in found] == [f"t{number}" for number in range(40)]
        assert all(test["passed"] for test in found)


def test_a_starter_project_passes_its_own_tests(ael, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "project", ignore_errors=True)
    assert ael("init", "project").returncode == 0
    assert ael("test", "project").returncode == 0
