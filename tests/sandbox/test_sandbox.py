"""The sandbox by its Protocol: what code sees, what its limits do, how it dies, what stays."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from ael.errors import AelError, ToolFailed
from ael.sandbox.contract import CodeFailure, CodeRequest, CodeSource, Limits, PackageSet
from ael.sandbox.pool import KernelSandbox, _Session
from ael.sandbox.wire import WireError, decode_message

STANDARD = PackageSet()


@pytest.fixture
async def sandbox() -> AsyncIterator[KernelSandbox]:
    made = KernelSandbox()
    yield made
    await made.close()


async def echo(name: str, params: dict[str, Any]) -> Any:
    if name == "fail":
        raise ToolFailed("no", tool_name=name, retryable=False)
    return {"name": name, **params}


async def blob_of(sandbox: KernelSandbox, code: str, packages: PackageSet = STANDARD) -> bytes:
    (facts,) = await sandbox.check(packages, [CodeSource(step_id="s", source=code)])
    assert not facts.problems, facts.problems
    return facts.blob


async def run(sandbox: KernelSandbox, code: str, *, packages: PackageSet = STANDARD, **request: Any) -> Any:
    blob = await blob_of(sandbox, code, packages)
    limits = request.pop("limits", Limits(timeout_seconds=60))
    async with sandbox.session("exec-test", packages) as session:
        return (await session.run(CodeRequest(blob=blob, limits=limits, **request), echo)).result


async def failure(sandbox: KernelSandbox, code: str, **request: Any) -> AelError:
    with pytest.raises(CodeFailure) as caught:
        await run(sandbox, code, **request)
    assert isinstance(caught.value.error, AelError)
    return caught.value.error


SAMPLES = {
    "json and regular expressions": (
        'import re\nfound = re.findall(r"<b>(.*?)</b>", json.loads(inputs["s"])["html"])\nreturn [len(found), found[0].upper()]',
        [2, "X"],
    ),
    "aggregation": (
        "from collections import Counter, defaultdict\nfrom itertools import groupby\nimport statistics\n"
        "by = defaultdict(list)\nfor k, v in [('a', 1), ('b', 5), ('a', 3)]: by[k].append(v)\n"
        "return {k: statistics.mean(v) for k, v in by.items()}",
        {"a": 2, "b": 5},
    ),
    "dates, decimals, hashes": (
        "import datetime, hashlib\nfrom decimal import Decimal\nfrom urllib.parse import urlparse\n"
        'd = datetime.datetime.fromisoformat("2026-11-22T10:00:00") + datetime.timedelta(days=3)\n'
        'return [d.isoformat(), str(Decimal("19.995") * 3), hashlib.sha256(b"abc").hexdigest()[:8], urlparse("https://a.b/c").netloc]',
        ["2026-11-25T10:00:00", "59.985", "ba7816bf", "a.b"],
    ),
    "classes": (
        "from dataclasses import dataclass, field, asdict\nfrom enum import Enum\n"
        "class Kind(Enum):\n    A = 'a'\n@dataclass\nclass Item:\n    name: str\n    tags: list = field(default_factory=list)\n"
        "class Box:\n    def __init__(self): self.items = []\n    def __len__(self): return len(self.items)\n"
        "box = Box()\nbox.items.append(Item('x', ['t']))\nreturn [len(box), asdict(box.items[0]), Kind('a').name]",
        [1, {"name": "x", "tags": ["t"]}, "A"],
    ),
    "tools at once": (
        "import asyncio\nouts = await asyncio.gather(*[context.tools.call('t', {'i': i}) for i in range(5)])\nreturn [o['i'] for o in outs]",
        [0, 1, 2, 3, 4],
    ),
    "tools one by one": (
        "a = await tools.call('x', {'n': 1})\nb = call_tool('y', {'n': a['n'] + 1})\nreturn b",
        {"name": "y", "n": 2},
    ),
    "exceptions": (
        "class Mine(ValueError):\n    pass\nout = []\ntry:\n    raise Mine('a') from KeyError('k')\nexcept Mine as e:\n"
        "    out.append(type(e.__cause__).__name__)\ntry:\n    raise ExceptionGroup('g', [ValueError(1), TypeError(2)])\n"
        "except* ValueError as group:\n    out.append(len(group.exceptions))\nexcept* TypeError:\n    out.append('t')\nreturn out",
        ["KeyError", 1, "t"],
    ),
    "generators, decorators, match": (
        "import functools\ndef twice(f):\n    @functools.wraps(f)\n    def inner(*a):\n        return f(*a) * 2\n    return inner\n"
        "@twice\ndef g(x):\n    return x + 1\ndef chunks(xs):\n    yield from (x for x in xs if x % 2)\n"
        "match {'t': 'a', 'v': 3}:\n    case {'t': 'a', 'v': v}:\n        return [g(4), list(chunks(range(6))), v]",
        [10, [1, 3, 5], 3],
    ),
    "timers": ("import asyncio\nasync with asyncio.timeout(60):\n    await asyncio.sleep(0)\nreturn 'done'", "done"),
}


@pytest.mark.parametrize("name", SAMPLES)
async def test_ordinary_python_works(sandbox: KernelSandbox, name: str) -> None:
    code, expected = SAMPLES[name]
    assert await run(sandbox, code, inputs={"s": '{"html": "<b>x</b><b>y</b>"}'}) == expected


async def test_code_sees_its_context_and_its_short_names(sandbox: KernelSandbox) -> None:
    steps = {
        "a": {"output": [1], "status": "completed", "success": True, "error": None, "duration_ms": 1.0, "step_id": "a"}
    }
    code = (
        "return [context.inputs['x'], inputs.get('y', 10), context.steps['a'].output, steps['a'].success, "
        "context.steps['a']['status'], item, index, context.execution_id, context.config['max_tool_calls']]"
    )
    found = await run(
        sandbox, code, inputs={"x": 1}, steps=steps, item={"item": "i", "index": 2}, execution_id="exec-1"
    )
    assert found == [1, 10, [1], True, "completed", "i", 2, "exec-1", 10]


async def test_a_failed_call_can_be_caught_and_else_keeps_its_own_code(sandbox: KernelSandbox) -> None:
    caught = "try:\n    call_tool('fail')\nexcept ToolError as e:\n    return [e.code, e.retryable, e.detail]"
    assert await run(sandbox, caught) == ["TOOL_FAILED", False, "no"]
    assert (await failure(sandbox, "call_tool('fail')")).code == "TOOL_FAILED"


async def test_what_a_step_changes_the_next_one_does_not_see(sandbox: KernelSandbox) -> None:
    first = await blob_of(sandbox, "inputs['l'].append(1)\nimport re\nglobal leak\nleak = 1\nreturn inputs['l']")
    second = await blob_of(sandbox, "return ['leak' in str(context), inputs['l']]")
    third = await blob_of(sandbox, "return leak")
    async with sandbox.session("e", STANDARD) as session:
        inputs: dict[str, Any] = {"l": []}
        assert (await session.run(CodeRequest(blob=first, inputs=inputs), echo)).result == [1]
        assert (await session.run(CodeRequest(blob=second, inputs=inputs), echo)).result == [False, []]
        with pytest.raises(CodeFailure, match="NameError"):
            await session.run(CodeRequest(blob=third, inputs=inputs), echo)


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("while True: pass", "CODE_TIMEOUT"),
        ("while True:\n    try:\n        while True: pass\n    except BaseException: pass", "CODE_TIMEOUT"),
        ("import time\ntime.sleep(60)", "CODE_TIMEOUT"),
        ("x = 'a' * (1 << 40)", "CODE_MEMORY"),
        ("x = []\nwhile True: x.append('a' * 1000)", "CODE_MEMORY"),
        ("def f(): return f()\nf()", "CODE_RUNTIME"),
        ("return {1: 2}", "OUTPUT_INVALID"),
        ("return float('nan')", "OUTPUT_INVALID"),
        ("x = []\nfor _ in range(70): x = [x]\nreturn x", "OUTPUT_INVALID"),
        ("return 'x' * 2_000_000", "RESOURCE_EXHAUSTED"),
        ("for i in range(20): call_tool('t')", "RESOURCE_EXHAUSTED"),
        ("raise SystemExit(3)", "CODE_RUNTIME"),
        ("raise KeyboardInterrupt", "CODE_RUNTIME"),
        ("return 10 ** 30", "OUTPUT_INVALID"),
    ],
)
async def test_every_limit_has_its_own_true_error(sandbox: KernelSandbox, code: str, error: str) -> None:
    seconds = 0.5 if error == "CODE_TIMEOUT" else 60
    limits = Limits(timeout_seconds=seconds, max_memory=128 << 20, max_output=1 << 20)
    assert (await failure(sandbox, code, limits=limits)).code == error
    assert await run(sandbox, "return 1") == 1


async def test_the_text_of_an_exception_is_cut_and_says_so(sandbox: KernelSandbox) -> None:
    assert (
        "x" * 4000 + "… (1000 more characters are left out)"
        in (await failure(sandbox, "raise ValueError('x' * 5000)")).detail
    )


async def test_printed_text_is_kept_and_cut(sandbox: KernelSandbox) -> None:
    blob = await blob_of(sandbox, "print('a', 1, sep='-')\nlog('m', k=2)\nprint('x' * 3_000_000)\nreturn 1")
    async with sandbox.session("e", STANDARD) as session:
        printed = (await session.run(CodeRequest(blob=blob), echo)).printed
    assert printed.startswith("a-1\nm k=2\nxxx")
    assert len(printed) < 1_100_000
    assert "output cut" in printed


GUARDED = {
    "imports": [
        "import os",
        "import sys",
        "from os import path",
        "import importlib",
        "import json.decoder",
    ],
    "builtins": [
        "eval('1')",
        "exec('1')",
        "open('/etc/passwd')",
        "compile('1', '', 'eval')",
        "globals()",
        "vars()",
        "__import__('os')",
        "input()",
        "breakpoint()",
    ],
    "attributes": [
        "().__class__",
        "(1).__class__.__mro__",
        "[].__class__.__base__.__subclasses__()",
        "(lambda: 0).__globals__",
        "(lambda: 0).__code__",
        "(x for x in []).gi_frame",
        "print.__self__",
    ],
    "patterns": ["match 1:\n    case int(__class__=c): pass"],
}


@pytest.mark.parametrize("code", [code for group in GUARDED.values() for code in group])
async def test_the_guard_names_what_is_not_allowed_with_its_line(sandbox: KernelSandbox, code: str) -> None:
    (facts,) = await sandbox.check(STANDARD, [CodeSource(step_id="s", source=f"x = 1\n{code}")])
    assert facts.blob == b""
    assert facts.problems[0].code == "CODE_SECURITY"
    assert facts.problems[0].line >= 2


@pytest.mark.parametrize(
    "code",
    [
        "return getattr(1, '__class__')",
        "return getattr('a', '_' + '_class__')",
        "return '{0.__class__}'.format(1)",
        "return '{x.__class__}'.format_map({'x': 1})",
        "return str.format('{0.__class__}', 1)",
        "import operator\nreturn operator.attrgetter('__class__')(1)",
        "import operator\nreturn operator.methodcaller('__dir__')(1)",
        "return type('X', (), {})",
        "setattr(json, '__x__', 1)",
    ],
)
async def test_names_made_at_run_time_are_checked_too(sandbox: KernelSandbox, code: str) -> None:
    assert (await failure(sandbox, code)).code == "CODE_SECURITY"


@pytest.mark.parametrize("name", ["json", "re", "datetime", "random", "math"])
async def test_modules_cannot_be_changed(sandbox: KernelSandbox, name: str) -> None:
    (facts,) = await sandbox.check(STANDARD, [CodeSource(step_id="s", source=f"import {name}\n{name}.x = 1")])
    assert "cannot be changed" in facts.problems[0].message
    error = await failure(sandbox, f"import {name}\nother = {name}\nother.x = 1")
    assert "cannot be " in error.detail or "has no attribute" in error.detail or error.code == "CODE_RUNTIME"


@pytest.mark.parametrize("profile", ["minimal", "standard"])
async def test_a_profile_decides_what_can_be_imported(sandbox: KernelSandbox, profile: str) -> None:
    (facts,) = await sandbox.check(
        PackageSet(profile=profile), [CodeSource(step_id="s", source="import random\nreturn 1")]
    )
    assert bool(facts.problems) is (profile == "minimal")


async def test_additional_packages_work_and_missing_ones_warn(sandbox: KernelSandbox) -> None:
    packages = PackageSet(additional=("yaml", "no_such_package_here"))
    (facts,) = await sandbox.check(
        packages, [CodeSource(step_id="s", source="import yaml\nreturn yaml.safe_load('a: [1]')")]
    )
    assert [(one.severity, "no_such_package_here" in one.message) for one in facts.problems] == [("warning", True)]
    async with sandbox.session("e", packages) as session:
        assert (await session.run(CodeRequest(blob=facts.blob), echo)).result == {"a": [1]}


async def test_the_clock_and_chance_come_from_the_request(sandbox: KernelSandbox) -> None:
    code = (
        "import time, datetime, random, uuid\n"
        "now = datetime.datetime.now(datetime.timezone.utc)\n"
        "return [time.time(), now.isoformat(), isinstance(now, datetime.datetime), datetime.date.today().isoformat(), "
        "time.strftime('%Y'), random.random(), random.Random().random(), str(uuid.uuid4()), str(uuid.uuid1()), uuid.getnode()]"
    )
    first = await run(sandbox, code, seed=5, clock=1_000_000_000.0)
    assert first[:5] == [1_000_000_000.0, "2001-09-09T01:46:40+00:00", True, "2001-09-09", "2001"]
    assert await run(sandbox, code, seed=5, clock=1_000_000_000.0) == first
    assert (await run(sandbox, code, seed=6, clock=1_000_000_000.0))[5:] != first[5:]


async def test_facts_of_code_name_steps_tools_and_results(sandbox: KernelSandbox) -> None:
    sources = [
        "x = context.steps['a'].output\ny = steps.get('b')\nreturn call_tool('t')",
        "for k in steps: pass\nname = 'x'\nawait tools.call(name)\nresult = 1",
        "x = 1",
        "return (",
        "yield 1",
    ]
    found = await sandbox.check(STANDARD, [CodeSource(step_id=str(i), source=code) for i, code in enumerate(sources)])
    assert (found[0].steps, found[0].tools, found[0].dynamic_steps) == (("a", "b"), ("t",), False)
    assert (found[1].dynamic_steps, found[1].dynamic_tools, found[1].has_result) == (True, True, True)
    assert found[2].has_result is False
    assert [one.problems[0].code for one in found[3:]] == ["CODE_SYNTAX", "CODE_SYNTAX"]


async def test_a_block_that_breaks_the_compiler_is_one_blocks_error(sandbox: KernelSandbox) -> None:
    bomb = "x = " + "-" * 100_000 + "1"
    found = await sandbox.check(
        STANDARD, [CodeSource(step_id="a", source=bomb), CodeSource(step_id="b", source="return 1")]
    )
    assert found[0].problems[0].code == "CODE_SYNTAX"
    assert found[1].blob


async def test_many_executions_share_a_bounded_number_of_children(sandbox: KernelSandbox) -> None:
    blob = await blob_of(sandbox, "return inputs['n']")
    most = 0

    async def one(number: int) -> None:
        nonlocal most
        async with sandbox.session(f"e{number}", STANDARD) as session:
            for _ in range(2):
                assert (await session.run(CodeRequest(blob=blob, inputs={"n": number}), echo)).result == number
                most = max(most, sandbox.alive)

    await asyncio.gather(*(one(number) for number in range(150)))
    assert most <= 2 * (os.cpu_count() or 1) + 2


async def test_idle_children_are_taken_away_when_others_wait() -> None:
    sandbox = KernelSandbox(max_workers=1, spares=0)
    blob = await blob_of(sandbox, "return 1")
    async with sandbox.session("a", STANDARD) as first, sandbox.session("b", STANDARD) as second:
        for _ in range(2):
            await first.run(CodeRequest(blob=blob), echo)
            await second.run(CodeRequest(blob=blob), echo)
    await sandbox.close()


async def test_steps_of_one_execution_that_run_at_once_get_a_child_each(sandbox: KernelSandbox) -> None:
    both = asyncio.Barrier(2)

    async def meet(name: str, params: dict[str, Any]) -> Any:
        await both.wait()
        return 1

    blob = await blob_of(sandbox, "return call_tool('meet')")
    async with sandbox.session("e", STANDARD) as session:
        done = await asyncio.gather(*(session.run(CodeRequest(blob=blob), meet) for _ in range(2)))
    assert [one.result for one in done] == [1, 1]


async def test_the_pool_recovers_when_its_zygote_is_killed(sandbox: KernelSandbox) -> None:
    blob = await blob_of(sandbox, "return call_tool('t')['name']")

    async def kill(name: str, params: dict[str, Any]) -> Any:
        assert isinstance(session, _Session)
        (child,) = session._busy
        os.kill(child.zygote._process.pid, signal.SIGKILL)
        dead = asyncio.Event()
        asyncio.get_running_loop().add_reader(child._pidfd, dead.set)
        await dead.wait()
        asyncio.get_running_loop().remove_reader(child._pidfd)
        return {"name": name}

    async with sandbox.session("e", STANDARD) as session:
        with pytest.raises(CodeFailure) as caught:
            await session.run(CodeRequest(blob=blob), kill)
        assert caught.value.error.code == "CODE_CRASHED"  # type: ignore[attr-defined]  # an AelError
    assert await run(sandbox, "return 2") == 2


async def test_answers_that_a_step_did_not_read_do_not_reach_the_next_one(sandbox: KernelSandbox) -> None:
    hasty = "import asyncio\nfor _ in range(5): asyncio.create_task(tools.call('t'))\nawait asyncio.sleep(0)\nreturn 1"
    first, second = await blob_of(sandbox, hasty), await blob_of(sandbox, "return call_tool('t')['name']")
    async with sandbox.session("e", STANDARD) as session:
        for _ in range(3):
            assert (await session.run(CodeRequest(blob=first), echo)).result == 1
            assert (await session.run(CodeRequest(blob=second), echo)).result == "t"


async def test_what_a_step_leaves_in_cycles_ends_with_it(sandbox: KernelSandbox) -> None:
    left = (
        "def g():\n    try: yield\n    finally: call_tool('late')\n"
        "class C: pass\nc = C()\nc.me = c\nc.gen = g()\nnext(c.gen)\nreturn 1"
    )
    first, second = await blob_of(sandbox, left), await blob_of(sandbox, "return 2")
    called: list[str] = []
    step = "one"

    async def note(name: str, params: dict[str, Any]) -> Any:
        called.append(f"{name} in {step}")

    async with sandbox.session("e", STANDARD) as session:
        assert (await session.run(CodeRequest(blob=first), note)).result == 1
        step = "two"
        assert (await session.run(CodeRequest(blob=second), note)).result == 2
    assert called == ["late in one"]


async def test_an_answer_that_was_sent_in_part_ends_its_child(sandbox: KernelSandbox) -> None:
    hasty = (
        "import asyncio, time\nfor _ in range(4): asyncio.create_task(tools.call('big'))\n"
        "await asyncio.sleep(0)\nfor _ in range(2_000_000): pass\nreturn 1"
    )
    first, second = await blob_of(sandbox, hasty), await blob_of(sandbox, "return 2")

    async def big(name: str, params: dict[str, Any]) -> Any:
        return "x" * 5_000_000

    async with sandbox.session("e", STANDARD) as session:
        assert (await session.run(CodeRequest(blob=first), big)).result == 1
        assert (await session.run(CodeRequest(blob=second), big)).result == 2


async def test_a_message_of_strings_without_end_is_refused_in_linear_time() -> None:
    with pytest.raises(WireError):
        await decode_message(b'"' + b'\\"' * 100_000 + b"," * 1_000_000, 1 << 24)


async def test_half_a_character_is_told_in_a_result_and_harmless_in_print(sandbox: KernelSandbox) -> None:
    assert (await failure(sandbox, "return ['a', chr(0xD800)]")).code == "OUTPUT_INVALID"
    blob = await blob_of(sandbox, "print(chr(0xD800) + chr(0x1F600) * 1_100_000)\nreturn 1")
    async with sandbox.session("e", STANDARD) as session:
        assert (await session.run(CodeRequest(blob=blob), echo)).printed.startswith("?\U0001f600")


async def test_a_dataclass_may_have_annotations_in_quotes(sandbox: KernelSandbox) -> None:
    code = "from dataclasses import dataclass\n@dataclass\nclass P:\n    x: 'int'\nreturn P(4).x"
    assert await run(sandbox, code) == 4


async def test_steps_leave_no_memory_behind_in_their_child(sandbox: KernelSandbox) -> None:
    blob = await blob_of(sandbox, "me = [bytearray(40 << 20)]\nme.append(me)\nreturn len(me)")
    async with sandbox.session("e", STANDARD) as session:
        for _ in range(20):
            assert (await session.run(CodeRequest(blob=blob), echo)).result == 2


async def test_cancelling_a_run_kills_its_child_and_leaves_nothing_behind(sandbox: KernelSandbox) -> None:
    started = asyncio.Event()

    async def tell(name: str, params: dict[str, Any]) -> Any:
        started.set()
        return 1

    blob = await blob_of(sandbox, "call_tool('started')\nwhile True: pass")
    before = len(os.listdir("/proc/self/fd"))

    async def endless() -> None:
        async with sandbox.session("e", STANDARD) as session:
            await session.run(CodeRequest(blob=blob), tell)

    task = asyncio.ensure_future(endless())
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await run(sandbox, "return 1") == 1
    assert len(os.listdir("/proc/self/fd")) <= before + 4


async def test_ten_megabytes_go_in_and_come_out(sandbox: KernelSandbox) -> None:
    text = "x" * 10_000_000
    limits = Limits(timeout_seconds=60)
    assert await run(sandbox, "return inputs['t']", inputs={"t": text}, limits=limits) == text


async def test_layers_are_reported_once_a_child_was_had(sandbox: KernelSandbox) -> None:
    assert sandbox.layers() == ()
    await run(sandbox, "return 1")
    assert sandbox.layers()[0] == "seccomp"
    assert "rlimits" in sandbox.layers()


async def test_the_zygote_inherits_nothing_of_our_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AEL_CANARY_SECRET", "sing")
    sandbox = KernelSandbox()
    await run(sandbox, "return 1")
    zygote = sandbox._zygotes[STANDARD]
    assert b"CANARY" not in Path(f"/proc/{zygote._process.pid}/environ").read_bytes()
    await sandbox.close()
