"""Templates: what they give, what they refuse, and what no input can do to them."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ael.errors import TemplateFailed
from ael.workflow.expressions import (
    ExpressionError,
    Template,
    parse_condition,
    parse_template,
    render,
    render_value,
    templates_in,
    truth,
)

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
SCOPE: dict[str, Any] = {
    "inputs": {"name": "Bo", "n": 3, "list": [3, 1, 2], "absent": None},
    "steps": {"f": {"output": {"items": [{"p": 2, "g": "a"}, {"p": 1, "g": "b"}], "text": "Ä b"}, "error": None}},
}


@given(JSON)
def test_one_expression_keeps_every_value_as_it_is(value: Any) -> None:
    assert render(parse_template("{{ inputs.v }}"), {"inputs": {"v": value}}) == value


@given(st.text())
def test_a_rendered_value_is_never_rendered_again(text: str) -> None:
    assert render(parse_template("<{{ inputs.v }}>"), {"inputs": {"v": text}}) == f"<{text}>"


@given(st.text(alphabet="{}%#-ab.|[]()'\" 1+*~", max_size=40))
def test_any_text_is_a_template_or_a_clear_error(text: str) -> None:
    try:
        template = parse_template(text)
    except ExpressionError as error:
        assert 0 <= error.offset <= len(text) + 1
        return
    try:
        render(template, SCOPE)
    except TemplateFailed as error:
        assert error.detail


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{{ inputs.name | default('x') | upper }}", "BO"),
        ("{{ nothing | default(inputs.n) }}", 3),
        ("{{ inputs.absent | default('x') }}", "x"),
        ("{{ inputs.list | sort | join('-') }}", "1-2-3"),
        ("{{ inputs.list[0:2] }}", [3, 1]),
        ("{{ inputs.list[-1] + 1.5 }}", 3.5),
        ("{{ 7 // 2 }}{{ 7 % 4 }}{{ 1 / 4 }}", "330.25"),
        ("{{ 'a' ~ 1 ~ none ~ true ~ [1] }}", "a1true[1]"),
        ("{{ steps.f.output['items'] | map(attribute='p') | sum }}", 3),
        ("{{ steps.f.output['items'] | selectattr('p', 'gt', 1) | list }}", [{"p": 2, "g": "a"}]),
        ("{{ steps.f.output['items'] | groupby('g') | map(attribute='grouper') | list }}", ["a", "b"]),
        ("{{ steps.f.output.text | slugify }}", "a-b"),
        ("{{ steps.f.output.text | urlencode }}", "%C3%84%20b"),
        ("{{ steps.f.output.text | b64encode | b64decode }}", "Ä b"),
        ("{{ 'x1y22' | regex_findall('[0-9]+') }}", ["1", "22"]),
        ("{{ 'a-b' | regex_replace('(a)-(b)', '\\\\2\\\\1') }}", "ba"),
        ("{{ '[1, 2]' | fromjson | last }}", 2),
        ("{{ {'b': 1, 'a': [true]} | dictsort | tojson }}", '[["a", [true]], ["b", 1]]'),
        ("{{ inputs | jmespath('list[?@ > `1`]') }}", [3, 2]),
        ("{{ 2.567 | round(1) }}", 2.6),
        ("{{ 'yes' if steps.f.error is none else 'no' }}", "yes"),
        ("{{ inputs.q is defined }}", False),
        ("{{ [3, 3, 1] | unique | list | length }}", 2),
        ("{{ 'abc' | hash('md5') }}", "900150983cd24fb0d6963f7d28e17f72"),
        ("{{ '{{' }}", "{{"),
        ("plain", "plain"),
    ],
)
def test_values_of_expressions(text: str, value: object) -> None:
    assert render(parse_template(text), SCOPE) == value


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("{{ inputs.nam }}", "inputs has no key 'nam'"),
        ("{{ inputs.name.x }}", "is a string and has no 'x'"),
        ("{{ nowhere }}", "'nowhere' is undefined"),
        ("{{ 1 // 0 }}", "division by zero"),
        ("{{ 'a' + 1 }}", "Use `~`"),
        ("{{ 'x' * 9999999 }}", "the limit is"),
        ("{{ 9223372036854775807 * 4 }}", "beyond 64 bits"),
        ("{{ 'a' < 1 }}", "no order"),
        ("{{ inputs.list | upper }}", "filter 'upper'"),
        ("{{ 'x' | regex_match('(') }}", "not a regular expression"),
        ("{{ [1, 'a'] | sort }}", "no order"),
        (
            "{{ 'a' | replace('', 'xx') | replace('x', '" + "y" * 3000 + "') | replace('y', '" + "z" * 3000 + "') }}",
            "the limit",
        ),
    ],
)
def test_what_fails_says_what_and_where(text: str, part: str) -> None:
    with pytest.raises(TemplateFailed) as caught:
        render(parse_template(text), SCOPE)
    assert part in f"{caught.value.detail} {caught.value.suggestion}"


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("{{ inputs.x", "not closed"),
        ("{{- inputs.x }}", "white space control"),
        ("{{ inputs.x -}}", "white space control"),
        ("{% if x %}", "statements"),
        ("{# note #}", "comments"),
        ("{{ f(1) }}", "calls"),
        ("{{ ''.join([]) }}", "calls"),
        ("{{ 2 ** 9 }}", "`**`"),
        ("{{ x | uper }}", "unknown filter 'uper'"),
        ("{{ x is sting }}", "unknown test 'sting'"),
        ("{{ x | map('uper') }}", "unknown filter 'uper'"),
        ("{{ " + "(" * 60 + "1" + ")" * 60 + " }}", "nested"),
        ("{{ " + "not " * 2000 + "1 }}", "nested"),
        ("{{ 99999999999999999999999 }}", "64 bits"),
        ("{{ }}", "empty"),
        ("{{ a b }}", "`b` cannot follow what stands before it"),
    ],
)
def test_what_is_not_in_the_language_is_refused_when_it_is_read(text: str, part: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse_template(text)
    assert part in caught.value.message


@pytest.mark.parametrize(
    ("text", "offset", "message", "repair"),
    [
        ("a = 1", 2, "`=` does not exist in expressions", "Write `==` to compare."),
        ("a === 'x'", 2, "`===` does not exist", "Write `==`."),
        ("a !== 'x'", 2, "`!==` does not exist", "Write `!=`."),
        ("a <> 'x'", 2, "`<>` does not exist", "Write `!=`."),
        ("'&&' == a && b", 10, "`&&` does not exist", "Write `and`."),
        ("a || b", 2, "`||` does not exist", "Write `or`."),
        ("!a", 0, "`!` does not exist", "Write `not`."),
        ("a ? b : c", 2, "`?` does not exist", "Write `A if CONDITION else B`."),
        ("a ?? b", 2, "`??` does not exist", "Write `value | default(other)`."),
        ("a?.b", 1, "`?.` does not exist", "Write `.`"),
        ("${a}", 0, "`${` does not exist", "`env.NAME`"),
        ("a | map(x => x.id)", 10, "`=>` does not exist", "`map`"),
        ("'a' 'b' 2", 8, "`2` cannot follow what stands before it", "An operator is missing"),
        ("a == 'it's'", 10, "the quote `'` is not closed", "Close it"),
        ("a and b c", 8, "`c` cannot follow", ""),
        ("a +", 3, "the expression ends too early", "missing"),
        ("(a or b", 0, "`(` is not closed", "Add `)`."),
        ("a)", 1, "`)` closes nothing", "Remove it"),
        ("[1, 2}", 5, "`}` closes nothing", "A template ends with `}}`."),
        ("a | default(a = )", 16, "`)` cannot stand here", ""),
        ("a @ b", 2, "`@` cannot follow", ""),
    ],
)
def test_what_is_no_expression_is_explained(text: str, offset: int, message: str, repair: str) -> None:
    for source, lead in ((text, 0), (f"{{{{ {text} }}}}", 3)):
        with pytest.raises(ExpressionError) as caught:
            (parse_template if lead else parse_condition)(source)
        assert message in caught.value.message
        assert repair in caught.value.suggestion
        assert caught.value.offset == offset + lead


@pytest.mark.parametrize(
    "text", ["{{ inputs.__class__ }}", "{{ 'x'.__class__ }}", "{{ inputs['__class__'] }}", "{{ inputs.items }}"]
)
def test_python_attributes_do_not_exist(text: str) -> None:
    with pytest.raises(TemplateFailed):
        render(parse_template(text), SCOPE)


def test_work_is_bounded_whatever_the_clock_says() -> None:
    nested = "{{ " + "inputs.l | map('default', " * 3 + "1" + ")" * 3 + " }}"
    template = parse_template("{{ inputs.l | sort | sort | sort | sort | sort }}")
    with pytest.raises(TemplateFailed, match="too much work"):
        render(template, {"inputs": {"l": list(range(100_000))}})
    assert nested


def test_conditions_are_bare_or_in_braces() -> None:
    assert truth(parse_condition("inputs.n > 2"), SCOPE)
    assert not truth(parse_condition(" {{ inputs.list | length == 0 }} "), SCOPE)
    with pytest.raises(ExpressionError):
        parse_condition("{{ 1 }} {{ 2 }}")


def test_references_name_what_is_read_and_what_is_guarded() -> None:
    found = parse_template("{{ steps.a.output[0].x }}{{ steps[inputs.k].output }}{{ q | default(1) }}").references
    assert [(one.root, one.path, one.guarded) for one in found] == [
        ("steps", ("a", "output", 0, "x"), False),
        ("steps", (), False),
        ("inputs", ("k",), False),
        ("q", (), True),
    ]


def test_a_template_survives_being_stored_as_json() -> None:
    template = parse_template("{{ a.b[0] | default([1, {'x': none}]) if not c else 1 < 2 <= 3 }}")
    assert msgspec.json.decode(msgspec.json.encode(template), type=Template) == template


def test_templates_are_found_and_rendered_at_any_depth() -> None:
    value: Any = {"a": ["{{ inputs.n }}", {"b c": "x{{ inputs.name }}"}], "d": 1}
    found = dict(templates_in(value))
    assert found == {".a[0]": "{{ inputs.n }}", ".a[1]['b c']": "x{{ inputs.name }}"}
    templates = {text: parse_template(text) for text in found.values()}
    assert json.dumps(render_value(value, templates, SCOPE)) == '{"a": [3, {"b c": "xBo"}], "d": 1}'
