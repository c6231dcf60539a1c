"""Templates inside code: bound as values, so that nothing can change the program."""

from __future__ import annotations

import ast
import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ael.workflow.code_templates import bind_code
from ael.workflow.expressions import ExpressionError, render

_PATH = Path(__file__).parents[2] / "src/ael/sandbox/child/binder.py"
_spec = importlib.util.spec_from_file_location("binder_under_test", _PATH)
assert _spec is not None
assert _spec.loader is not None
binder = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(binder)

EVIL = "x\"; import os #\n\\'{}{{ }}"


def run(code: str, **inputs: Any) -> Any:
    """Bind, compile and run a block as the sandbox's child does."""
    bound = bind_code(code)
    tree = binder.bind(bound.source, tuple(name for name, _ in bound.placeholders))
    shell = ast.parse("def step():\n pass")
    shell.body[0].body = tree.body  # type: ignore[attr-defined]  # it is a function
    names: dict[str, Any] = {binder.TEXT: binder.text}
    for name, template in bound.placeholders:
        names[name] = render(template, {"inputs": inputs, "steps": {}})
    exec(compile(ast.fix_missing_locations(shell), "step", "exec"), names)
    return names["step"]()


@pytest.mark.parametrize(
    ("code", "result"),
    [
        ("return {{ inputs.a }}", EVIL),
        ('return "<{{ inputs.a }}>"', f"<{EVIL}>"),
        ('return f"{1 + 1}{{ inputs.a }}"', f"2{EVIL}"),
        ('return f"{ {{ inputs.a }} }"', EVIL),
        ('return f"{{{ inputs.a }}}"', EVIL),
        ("return r'\\d{{ inputs.a }}'", f"\\d{EVIL}"),
        ('return """a\n  {{ inputs.a }}"""', f"a\n  {EVIL}"),
        ("return 'a' '{{ inputs.a }}' 'b'", f"a{EVIL}b"),
        ("return {'{{ inputs.a }}': 1}", {EVIL: 1}),
        ("return {'k':{'x':{{ inputs.a }}}}", {"k": {"x": EVIL}}),
        ("return [x for x in [{{ inputs.a }}] if x == {{ inputs.a }}]", [EVIL]),
        ("def f(x={{ inputs.a }}): return x\nreturn f()", EVIL),
        ("# {{ inputs.a }} don't\nreturn 1", 1),
        ("return '#' + {{ inputs.a }}", f"#{EVIL}"),
        ('x = 5\nreturn f"{{x}} {x}"', "{x} 5"),
        ("return '{{}}'.format(1)", "{}"),
        ("return {# note\n'a': 1}", {"a": 1}),
        ("return '{%d}' % 3", "{3}"),
        ("return {{ inputs.a\n  | default(1) }}", EVIL),
        ("return '{{ inputs.b | default(\"}}\") }}'", "}}"),
        ("import re\nreturn re.sub(r'a{{2}}', '', 'aa')", ""),
    ],
)
def test_a_value_arrives_as_it_is(code: str, result: object) -> None:
    if "a{{2}}" in code:
        # An f-string's and a pattern's own braces are left alone.
        assert bind_code(code).placeholders == ()
        return
    assert run(code, a=EVIL) == result


@pytest.mark.parametrize(
    ("code", "part"),
    [
        ("return x.{{ inputs.a }}", "an attribute name"),
        ("return dict({{ inputs.a }}=1)", "a parameter name"),
        ("def {{ inputs.a }}(): pass", "a function name"),
        ("class {{ inputs.a }}: pass", "a class name"),
        ("import {{ inputs.a }}", "imported"),
        ("from json import {{ inputs.a }}", "imported"),
        ("global {{ inputs.a }}", "declared global"),
        ("try: pass\nexcept E as {{ inputs.a }}: pass", "assigned to"),
        ("{{ inputs.a }} = 1", "assigned to"),
        ("del {{ inputs.a }}", "assigned to or deleted"),
        ("(({{ inputs.a }}) := 1)", ""),
        ("return x{{ inputs.a }}", "glued"),
        ('return b"{{ inputs.a }}"', "bytes"),
        ("match 1:\n  case {{ inputs.a }}: pass", "pattern"),
        ("match 'a':\n  case 'x{{ inputs.a }}': pass", "pattern"),
    ],
)
def test_a_template_stands_only_where_a_value_can(code: str, part: str) -> None:
    bound = bind_code(code)
    with pytest.raises((binder.BindError, SyntaxError)) as caught:
        binder.bind(bound.source, tuple(name for name, _ in bound.placeholders))
    assert part in str(caught.value)


@given(st.text())
def test_no_value_ever_changes_the_syntax_tree(value: str) -> None:
    code = "a = '{{ inputs.a }}'\nb = [f\"{1}{{ inputs.a }}\", {{ inputs.a }}]\nreturn [a, b]"
    bound = bind_code(code)
    names = tuple(name for name, _ in bound.placeholders)
    before = ast.dump(binder.bind(bound.source, names))
    assert run(code, a=value) == [value, [f"1{value}", value]]
    assert ast.dump(binder.bind(bind_code(code).source, names)) == before


@given(st.text(alphabet="{}'\"#\\ \nabf=inputs.()[]", max_size=60))
def test_any_code_binds_or_is_refused_clearly(code: str) -> None:
    try:
        bound = bind_code(code)
    except ExpressionError as error:
        assert 0 <= error.offset <= len(code)
        return
    assert bound.source.count("\n") <= code.count("\n")
    assert all(bound.source.count(name) == 1 for name, _ in bound.placeholders)


def test_places_lead_back_to_the_file_past_templates_that_span_lines() -> None:
    code = "a = {{ inputs.a\n  | default(1) }}; b = 2\nc = 3"
    bound = bind_code(code)
    line, column = 1, bound.source.index("b = 2") + 1
    assert bound.original_position(line, column) == (2, code.split("\n")[1].index("b = 2") + 1)
    assert bound.original_position(2, 1) == (3, 1)


def test_braces_around_other_names_are_left_to_python_with_a_warning() -> None:
    bound = bind_code('return f"{{input.name}}"')
    assert bound.placeholders == ()
    assert "'input' is no name of the scope" in bound.warnings[0].message


def test_a_broken_template_is_an_error_and_not_pythons_own() -> None:
    with pytest.raises(ExpressionError):
        bind_code("return {{ inputs.a | }}")


def test_the_child_imports_nothing_but_the_standard_library() -> None:
    siblings = {path.stem for path in _PATH.parent.glob("*.py")}
    for path in _PATH.parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            for name in names:
                top = name.split(".")[0]
                assert top in siblings or top in sys.stdlib_module_names, f"{path.name} imports {name}"
