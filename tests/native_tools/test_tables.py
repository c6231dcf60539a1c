"""Table tools: JSON to CSV and back."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from native_tools.environment import Environment
from native_tools.server import NativeTools
from tests.native_tools.conftest import refused


async def test_rows_go_out_and_come_back_through_the_server(call) -> None:
    rows = [{"name": "Ada", "note": 'says "hi",\nthen goes'}, {"name": "Bob", "note": " spaced "}]
    made = await call("data_json_to_csv", data=rows)
    assert made == {
        "csv": 'name,note\nAda,"says ""hi"",\nthen goes"\nBob," spaced "\n',
        "row_count": 2,
        "columns": ["name", "note"],
    }
    assert (await call("data_csv_to_json", csv=made["csv"]))["rows"] == rows


async def test_values_are_written_as_json_does_and_read_as_they_are_told(tools) -> None:
    row = {"n": 1.50, "i": 7, "b": True, "none": None, "deep": {"a": [1]}, "code": "007"}
    made = await tools("data_json_to_csv", data=[row], null_as="NULL", delimiter=";", line_end="\r\n")
    assert made["csv"] == 'n;i;b;none;deep;code\r\n1.5;7;true;NULL;"{""a"":[1]}";007\r\n'
    types = {"n": "number", "i": "integer", "b": "boolean", "deep": "json"}
    read = await tools("data_csv_to_json", csv=made["csv"], delimiter=";", types=types)
    assert read["rows"] == [{**row, "none": "NULL"}]
    inferred = await tools("data_csv_to_json", csv="a,b,c,d,e,f\n1,-2.5e3,true,007,,1e999\n", types="infer")
    assert inferred["rows"] == [{"a": 1, "b": -2500.0, "c": True, "d": "007", "e": None, "f": "1e999"}]


async def test_columns_headers_and_arrays(tools) -> None:
    data = [{"a": 1}, {"b": 2, "a": 3}]
    assert (await tools("data_json_to_csv", data=data))["csv"] == "a,b\n1,\n3,2\n"
    assert (await tools("data_json_to_csv", data=data, columns=["b", "c"], header=False))["csv"] == ",\n2,\n"
    assert await tools("data_json_to_csv", data=[[1, 2], [3]]) == {"csv": "1,2\n3\n", "row_count": 2, "columns": None}
    read = await tools("data_csv_to_json", csv="1,2\n\n3,4\n", header=False)
    assert read["rows"] == [{"column_1": "1", "column_2": "2"}, {"column_1": "3", "column_2": "4"}]
    read = await tools("data_csv_to_json", csv="\ufeffx,y\n1\n", columns=["a", "b"], pad_short_rows=True)
    assert read["rows"] == [{"a": "1", "b": None}]
    assert await tools("data_csv_to_json", csv="") == {"rows": [], "row_count": 0, "columns": []}


async def test_formulas_are_defused_on_request_and_numbers_are_left_alone(tools) -> None:
    data = [["=1+1", "@SUM(A1)", "-2", -2, "plain"]]
    assert (await tools("data_json_to_csv", data=data))["csv"] == "=1+1,@SUM(A1),-2,-2,plain\n"
    made = await tools("data_json_to_csv", data=data, escape_formulas=True)
    assert made["csv"] == "'=1+1,'@SUM(A1),'-2,-2,plain\n"


@pytest.mark.parametrize(
    ("params", "part"),
    [
        ({"csv": "a,b\n1\n"}, "the row on line 2 has 1 cells, there are 2 columns. pad_short_rows"),
        ({"csv": "a\n1,2\n", "pad_short_rows": True}, "the row on line 2 has 2 cells, there are 1 columns."),
        ({"csv": "a,a\n"}, "the header names the column 'a' twice"),
        ({"csv": 'a\n"x'}, "line 2 of `csv` is not CSV"),
        ({"csv": 'a\n"x"y\n'}, "line 2 of `csv` is not CSV"),
        ({"csv": "a\nx\n", "types": {"a": "integer"}}, "'x' in column 'a' on line 2 is no integer"),
        ({"csv": "a\n{\n", "types": {"a": "json"}}, "is no json"),
        ({"csv": "a\nx\n", "types": {"b": "integer"}}, "`types` names columns that there are not: b"),
        ({"csv": "a", "delimiter": '"'}, "both"),
        ({"csv": "a", "delimiter": "\n"}, "delimiter:"),
        ({"csv": 1, "columns": [], "types": "date"}, "csv:"),
        ({"csv": "a\n" + "1\n" * 1_000_001}, "at most 1000000 cells"),
    ],
)
async def test_csv_that_is_wrong_is_told_with_its_line(tools, params, part) -> None:
    assert part in await refused(tools, "data_csv_to_json", **params)


@pytest.mark.parametrize(
    ("params", "part"),
    [
        ({"data": [{"a": 1}, [1]]}, "data[1] is unlike data[0]"),
        ({"data": [[1, 2]], "columns": ["a"]}, "the longest row has 2"),
        ({"data": []}, "data:"),
        ({"data": [1]}, "data[0]:"),
        ({"data": [[0] * 10_001]}, "10000 columns"),
    ],
)
async def test_rows_that_are_no_table_are_told(tools, params, part) -> None:
    assert part in await refused(tools, "data_json_to_csv", **params)


CELLS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8) | st.sampled_from(
    ["", '"', "'", ",", "\r", "\n", "\r\n", "\ufeff", "\0", "a\rb", " a", "=1"]
)
NAMES = st.lists(CELLS, min_size=1, max_size=4, unique=True)


@given(NAMES.flatmap(lambda names: st.lists(st.fixed_dictionaries(dict.fromkeys(names, CELLS)), min_size=1)), st.data())
def test_any_table_of_texts_comes_back_the_same(rows: list[dict[str, str]], data: st.DataObject) -> None:
    tools = NativeTools(Environment(workspace=Path()))
    dialect = data.draw(st.sampled_from([{}, {"delimiter": "\t"}, {"quote": "'"}, {"delimiter": " ", "quote": "|"}]))
    ends = data.draw(st.sampled_from(["\n", "\r\n"]))
    made = asyncio.run(tools.call("data_json_to_csv", {"data": rows, "line_end": ends, **dialect}))
    read = asyncio.run(tools.call("data_csv_to_json", {"csv": made["csv"], **dialect}))
    assert read["rows"] == rows
