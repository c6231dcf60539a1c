"""Loading: what is wrong with a file is said in at most four lines, which name the place, the reason and the repair.

The texts are what `ael validate` prints. What no list of mistakes covers is in the properties at the end.
"""

from __future__ import annotations

import json
import os
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ael.app.application import App, ValidationReport
from ael.app.settings import Settings
from ael.errors import Problem, ProblemsError, WorkflowInvalid
from ael.plan.planner import bind_blocks, make_plan
from ael.workflow.file_steps import COMMON_STEP_KEYS, KINDS
from ael.workflow.load import TOP_KEYS, load_file, load_text
from ael.workflow.model import InputSpec, RetryPolicy
from ael.workflow.yaml_reader import MAX_ALIASED, MAX_DEPTH, MAX_PROBLEMS, MAX_TEXT, record_fields

DEMO = "name: demo\nversion: 1\n"
FETCH = "steps:\n  - id: fetch\n    tool: fs_read\n"

#: What is mistaken → the file, and all that is said about it.
MISTAKES: dict[str, tuple[str | bytes, str]] = {
    "a key of the file": (
        DEMO
        + """\
setps:
  - id: fetch
    tool: fs_read
""",
        """\
flow.yaml:3:1: error: unknown key 'setps' in the workflow
  setps:
  ^
  Did you mean 'steps'?""",
    ),
    "a key of a step": (
        DEMO + FETCH + "    parms: {path: a}\n",
        """\
flow.yaml:6:5: error: unknown key 'parms' in step 'fetch' of kind 'tool'
      parms: {path: a}
      ^
  Did you mean 'params'?""",
    ),
    "a key of an input in the list form": (
        DEMO
        + """\
inputs:
  - url: {type: string, descripton: Where}
"""
        + FETCH,
        """\
flow.yaml:4:25: error: unknown key 'descripton' in input 'url'
    - url: {type: string, descripton: Where}
                          ^
  Did you mean 'description'?""",
    ),
    "a key of retry": (
        DEMO + FETCH + "    retry: {max_attemps: 3}\n",
        """\
flow.yaml:6:13: error: unknown key 'max_attemps' in 'retry'
      retry: {max_attemps: 3}
              ^
  Did you mean 'max_attempts'?""",
    ),
    "a key of defaults": (
        DEMO + "defaults: {timout: 5}\n" + FETCH,
        """\
flow.yaml:3:12: error: unknown key 'timout' in 'defaults'
  defaults: {timout: 5}
             ^
  Did you mean 'timeout'?""",
    ),
    "a key of defaults.sandbox": (
        DEMO
        + """\
defaults:
  sandbox: {memory: 5}
"""
        + FETCH,
        """\
flow.yaml:4:13: error: unknown key 'memory' in 'defaults.sandbox'
    sandbox: {memory: 5}
              ^
  Did you mean 'max_memory'?""",
    ),
    "a key of an output": (
        DEMO
        + FETCH
        + """\
outputs:
  - text: {form_path: steps.fetch.output}
""",
        """\
flow.yaml:7:12: error: unknown key 'form_path' in output 'text'
    - text: {form_path: steps.fetch.output}
             ^
  Did you mean 'from_path'?""",
    ),
    "a key of approval": (
        DEMO
        + """\
steps:
  - id: ask
    approval: {mesage: Go on?}
""",
        """\
flow.yaml:5:16: error: unknown key 'mesage' in 'approval'
      approval: {mesage: Go on?}
                 ^
  Did you mean 'message'?""",
    ),
    "a key of wait": (
        DEMO
        + """\
steps:
  - id: rest
    wait: {second: 5}
""",
        """\
flow.yaml:5:12: error: unknown key 'second' in 'wait'
      wait: {second: 5}
             ^
  Did you mean 'seconds'?""",
    ),
    "a key of packages": (
        DEMO + "packages: {profil: minimal}\n" + FETCH,
        """\
flow.yaml:3:12: error: unknown key 'profil' in 'packages'
  packages: {profil: minimal}
             ^
  Did you mean 'profile'?""",
    ),
    "a key of compensate": (
        DEMO + FETCH + "    compensate: {tol: x}\n",
        """\
flow.yaml:6:18: error: unknown key 'tol' in 'compensate'
      compensate: {tol: x}
                   ^
  Did you mean 'tool'?""",
    ),
    "a word of backoff": (
        DEMO + FETCH + "    retry: {backoff: exponental}\n",
        """\
flow.yaml:6:22: error: 'backoff' is one of exponential, linear, fixed, not the text 'exponental'
      retry: {backoff: exponental}
                       ^""",
    ),
    "a key that is near none": (
        DEMO + FETCH + "    colour: red\n",
        """\
flow.yaml:6:5: error: unknown key 'colour' in step 'fetch' of kind 'tool'
      colour: red
      ^
  What it hands over stands under `params:`.""",
    ),
    "an input type with a typo": (
        DEMO
        + """\
inputs:
  - count: {type: interger}
"""
        + FETCH,
        """\
flow.yaml:4:19: error: 'type' is one of string, integer, number, boolean, array, object, not the text 'interger'
    - count: {type: interger}
                    ^
  Did you mean 'integer'?""",
    ),
    "an unknown input type": (
        DEMO
        + """\
inputs:
  - count: {type: money}
"""
        + FETCH,
        """\
flow.yaml:4:19: error: 'type' is one of string, integer, number, boolean, array, object, not the text 'money'
    - count: {type: money}
                    ^""",
    ),
    "a Python type": (
        DEMO
        + """\
inputs:
  - count: {type: list}
"""
        + FETCH,
        """\
flow.yaml:4:19: error: 'type' is one of string, integer, number, boolean, array, object, not the text 'list'
    - count: {type: list}
                    ^
  Did you mean 'array'?""",
    ),
    "a step in a template": (
        DEMO
        + FETCH
        + """\
  - id: use
    tool: http_get
    params: {url: "{{ steps.fech.output }}"}
""",
        """\
flow.yaml:8:23: error: unknown step 'fech'
      params: {url: "{{ steps.fech.output }}"}
                        ^
  Did you mean 'fetch'?""",
    ),
    "a step in depends_on": (
        DEMO
        + FETCH
        + """\
  - id: use
    tool: http_get
    depends_on: [fech]
""",
        """\
flow.yaml:8:18: error: depends_on names the unknown step 'fech'
      depends_on: [fech]
                   ^
  Did you mean 'fetch'?""",
    ),
    "a step that waits for itself": (
        DEMO + FETCH + "    depends_on: fetch\n",
        """\
flow.yaml:6:17: error: step 'fetch' depends on itself
      depends_on: fetch
                  ^
  Remove it from depends_on.""",
    ),
    "a step in a depends_on of several lines": (
        DEMO
        + FETCH
        + """\
  - id: use
    tool: http_get
    depends_on:
      - fetch
      - fetsh
""",
        """\
flow.yaml:10:9: error: depends_on names the unknown step 'fetsh'
        - fetsh
          ^
  Did you mean 'fetch'?""",
    ),
    "a filter": (
        DEMO + FETCH + 'output: "{{ steps.fetch.output | uper }}"\n',
        """\
flow.yaml:6:34: error: unknown filter 'uper'
  output: "{{ steps.fetch.output | uper }}"
                                   ^
  Did you mean 'upper'?""",
    ),
    "the root of a reference": (
        DEMO + FETCH + 'output: "{{ step.fetch.output }}"\n',
        """\
flow.yaml:6:13: error: unknown name 'step' in a template
  output: "{{ step.fetch.output }}"
              ^
  Did you mean 'steps'?""",
    ),
    "a field of a result": (
        DEMO + FETCH + 'output: "{{ steps.fetch.outptu }}"\n',
        """\
flow.yaml:6:13: error: the result of step 'fetch' has no 'outptu'
  output: "{{ steps.fetch.outptu }}"
              ^
  Did you mean 'steps.fetch.output'?""",
    ),
    "an input that is not declared": (
        DEMO
        + """\
inputs: [url]
steps:
  - id: fetch
    tool: fs_read
    params: {path: "{{ inputs.ulr }}"}
""",
        """\
flow.yaml:7:24: error: unknown input 'ulr'
      params: {path: "{{ inputs.ulr }}"}
                         ^
  Did you mean 'url'?""",
    ),
    "an input where none is declared": (
        DEMO + FETCH + '    params: {path: "{{ inputs.path }}"}\n',
        """\
flow.yaml:6:24: error: unknown input 'path'
      params: {path: "{{ inputs.path }}"}
                         ^
  This workflow declares no inputs.""",
    ),
    "an input without its root": (
        DEMO
        + """\
inputs: [url]
steps:
  - id: fetch
    tool: fs_read
    params: {path: "{{ url }}"}
""",
        """\
flow.yaml:7:24: error: unknown name 'url' in a template
      params: {path: "{{ url }}"}
                         ^
  Did you mean 'inputs.url'?""",
    ),
    "a step further down in a template": (
        DEMO
        + """\
steps:
  - id: first
    tool: fs_write
    params: {text: "{{ steps.second.output }}"}
  - id: second
    tool: fs_read
""",
        """\
flow.yaml:4:3: error: step 'first' needs 'second', which stands further down and waits for it: first → second → first
    - id: first
    ^
  Move 'second' above 'first', or give 'second' its own depends_on.""",
    ),
    "a cycle": (
        DEMO
        + """\
steps:
  - id: a
    tool: x
    depends_on: c
  - id: b
    tool: x
    depends_on: a
  - id: c
    tool: x
    depends_on: b
""",
        """\
flow.yaml:4:3: error: steps wait for each other: a → c → b → a
    - id: a
    ^
  Remove one of these dependencies.""",
    ),
    "a step that reads itself": (
        DEMO + FETCH + '    params: {path: "{{ steps.fetch.output }}"}\n',
        """\
flow.yaml:6:24: error: step 'fetch' refers to its own result
      params: {path: "{{ steps.fetch.output }}"}
                         ^""",
    ),
    "a tool's option beside params": (
        DEMO + FETCH + "    server: github\n",
        """\
flow.yaml:6:5: error: unknown key 'server' in step 'fetch' of kind 'tool'
      server: github
      ^
  What it hands over stands under `params:`.""",
    ),
    "an option of python_exec": (
        DEMO
        + """\
steps:
  - id: run
    tool: python_exec
    params: {code: return 1, timeuot: 5}
""",
        """\
flow.yaml:6:30: error: python_exec has no parameter 'timeuot'
      params: {code: return 1, timeuot: 5}
                               ^
  Did you mean 'timeout'?""",
    ),
    "python_exec without a program": (
        DEMO
        + """\
steps:
  - id: run
    tool: python_exec
""",
        """\
flow.yaml:5:11: error: python_exec needs its program as text in `code`
      tool: python_exec
            ^
  Write it under `params:`, as `code: |`.""",
    ),
    "a tool's name made of a value": (
        DEMO
        + """\
inputs: [p]
steps:
  - id: run
    tool: "{{ inputs.p }}"
""",
        """\
flow.yaml:6:11: error: the name of a tool cannot be a template
      tool: "{{ inputs.p }}"
            ^
  Use `when` on two steps.""",
    ),
    "a tool without a name": (
        DEMO
        + """\
steps:
  - id: run
    tool:
""",
        """\
flow.yaml:5:10: error: 'tool' is text, not empty
      tool:
           ^""",
    ),
    "a key that is too deep": (
        DEMO
        + """\
steps:
  - id: fetch
     tool: fs_read
""",
        """\
flow.yaml:5:6: error: a key stands deeper than the line above allows
       tool: fs_read
       ^
  Indent it like the key above it.""",
    ),
    "a dash that is not deep enough": (
        DEMO
        + FETCH
        + """\
 - id: b
   tool: x
""",
        """\
flow.yaml:6:2: error: the indentation fits no line above
   - id: b
   ^
  Indent it like the key or the dash above it.""",
    ),
    "params that are not indented": (
        DEMO
        + FETCH
        + """\
    params:
    path: x
""",
        """\
flow.yaml:6:12: error: 'params' is a mapping, not empty
      params:
             ^
  Indent its keys under it, or remove it.
flow.yaml:7:5: error: unknown key 'path' in step 'fetch' of kind 'tool'
      path: x
      ^
  What it hands over stands under `params:`.""",
    ),
    "a key left of its step": (
        DEMO
        + """\
steps:
  - id: fetch
  tool: fs_read
""",
        """\
flow.yaml:5:3: error: the indentation fits no line above
    tool: fs_read
    ^
  Indent it like the key or the dash above it.""",
    ),
    "a tab before a dash": (
        DEMO
        + """\
steps:
\t- id: fetch
""",
        """\
flow.yaml:4:1: error: a tab in the indentation
   - id: fetch
  ^
  Indent with spaces.""",
    ),
    "a colon in a value": (
        DEMO + "description: note: read me\n" + FETCH,
        """\
flow.yaml:3:18: error: a value holds a colon followed by a space
  description: note: read me
                   ^
  Put the value in quotes.""",
    ),
    "no space after the colon": (
        DEMO
        + """\
steps:
  - id:fetch
    tool: fs_read
""",
        """\
flow.yaml:4:8: error: no space after the colon
    - id:fetch
         ^
  Write `key: value`.""",
    ),
    "no space after the dash": (
        DEMO
        + """\
steps:
  -id: fetch
    tool: fs_read
""",
        """\
flow.yaml:4:4: error: no space after the dash
    -id: fetch
     ^
  Write `- key: value`.""",
    ),
    "a missing quote": (
        DEMO + 'description: "read me\n' + FETCH,
        """\
flow.yaml:3:14: error: a quote is not closed
  description: "read me
               ^
  Add the missing quote.""",
    ),
    "an apostrophe in single quotes": (
        DEMO + "description: 'it's here'\n" + FETCH,
        """\
flow.yaml:3:18: error: text follows a closing quote
  description: 'it's here'
                   ^
  Put the whole value in other quotes; inside single quotes write '' for one.""",
    ),
    "an open bracket above other keys": (
        DEMO + "tags: [a, b\n" + FETCH,
        """\
flow.yaml:4:6: error: a '[' is not closed, or a comma is missing
  steps:
       ^
  It opens on line 3, column 7.""",
    ),
    "an open brace at the end": (
        DEMO + FETCH + "    params: {path: a\n",
        """\
flow.yaml:6:13: error: a '{' is not closed, or a comma is missing
      params: {path: a
              ^
  Add the missing '}'.""",
    ),
    "one brace too many": (
        DEMO + FETCH + "    params: {path: a}}\n",
        """\
flow.yaml:6:22: error: a '}' closes nothing
      params: {path: a}}
                       ^
  Remove it, or put the value in quotes.""",
    ),
    "an unquoted template": (
        DEMO + FETCH + "output: {{ steps.fetch.output }}\n",
        """\
flow.yaml:6:9: error: a value that starts with {{ needs quotes
  output: {{ steps.fetch.output }}
          ^
  Put the whole value in quotes.""",
    ),
    "unquoted templates in a text": (
        DEMO
        + FETCH
        + """\
    params:
      path: {{ inputs.a }}/{{ inputs.b }}
""",
        """\
flow.yaml:7:13: error: a value that starts with {{ needs quotes
        path: {{ inputs.a }}/{{ inputs.b }}
              ^
  Put the whole value in quotes.""",
    ),
    "a value that starts with an at": (
        DEMO
        + """\
steps:
  - id: a
    tool: @fs
""",
        """\
flow.yaml:5:11: error: a value cannot start with '@'
      tool: @fs
            ^
  Put the value in quotes.""",
    ),
    "a pattern without quotes": (
        DEMO + "tools: [*]\n" + FETCH,
        """\
flow.yaml:3:9: error: a value cannot start with '*'
  tools: [*]
          ^
  Put the value in quotes.""",
    ),
    "a pattern that looks like an alias": (
        DEMO + "tools: [*_read]\n" + FETCH,
        """\
flow.yaml:3:9: error: an alias names no anchor
  tools: [*_read]
          ^
  A text that starts with * stands in quotes; an alias needs its `&name` above.""",
    ),
    "code that is not indented": (
        DEMO
        + """\
steps:
  - id: a
    code: |
    return 1
""",
        """\
flow.yaml:6:5: error: the text is not indented
      return 1
      ^
  Indent it under its key.""",
    ),
    "a backslash in double quotes": (
        DEMO + 'description: "C:\\dir"\n' + FETCH,
        """\
flow.yaml:3:17: error: a backslash in double quotes begins an escape
  description: "C:\\dir"
                  ^
  Use single quotes, or write two backslashes.""",
    ),
    "a line without a colon": (
        DEMO
        + """\
steps:
  - id: fetch
    tool fs_read
""",
        """\
flow.yaml:5:5: error: a line without a colon
      tool fs_read
      ^
  Write `key: value`; text of several lines stands under `key: |`, indented.""",
    ),
    "a list for params": (
        DEMO
        + FETCH
        + """\
    params:
      - path: a
""",
        """\
flow.yaml:7:7: error: 'params' is a mapping, not a list
        - path: a
        ^
  Remove the dash before each key.""",
    ),
    "a mapping for steps": (
        DEMO
        + """\
steps:
  fetch:
    tool: fs_read
""",
        """\
flow.yaml:4:3: error: 'steps' is a list of steps, not a mapping
    fetch:
    ^
  Put a dash before each step: `- id: first`.""",
    ),
    "no steps in the list": (
        DEMO + "steps: []\n",
        """\
flow.yaml:3:8: error: a workflow has at least one step
  steps: []
         ^""",
    ),
    "no steps at all": (
        DEMO,
        """\
flow.yaml:1:1: error: the workflow needs the key 'steps'
  name: demo
  ^""",
    ),
    "a list for defaults": (
        DEMO + "defaults: [timeout]\n" + FETCH,
        """\
flow.yaml:3:11: error: 'defaults' is a mapping, not a list
  defaults: [timeout]
            ^
  Its keys: timeout, on_error, retry, sandbox.""",
    ),
    "a number for retry": (
        DEMO + FETCH + "    retry: 3\n",
        """\
flow.yaml:6:12: error: 'retry' is a mapping, not 3
      retry: 3
             ^
  Its keys: max_attempts, initial_delay, max_delay, backoff_multiplier, ….""",
    ),
    "text for inputs": (
        DEMO + "inputs: url\n" + FETCH,
        """\
flow.yaml:3:9: error: 'inputs' is a list or a mapping, not the text 'url'
  inputs: url
          ^""",
    ),
    "two inputs under one dash": (
        DEMO
        + """\
inputs:
  - url: a
    count: 3
"""
        + FETCH,
        """\
flow.yaml:4:5: error: an entry of 'inputs' is one name with its declaration, not 'url' and 'count'
    - url: a
      ^
  Write `- NAME: {…}`, one dash for each.""",
    ),
    "a path for an output": (
        DEMO
        + FETCH
        + """\
outputs:
  - text: steps.fetch.output
""",
        """\
flow.yaml:7:5: error: the output 'text' is a mapping
    - text: steps.fetch.output
      ^
  Write `text: {value: …}` or `text: {from_path: …}`.""",
    ),
    "text for a list": (
        DEMO + "tags: demo\n" + FETCH,
        """\
flow.yaml:3:7: error: 'tags' is a list, not the text 'demo'
  tags: demo
        ^
  Write `tags: [demo]`.""",
    ),
    "text for a step": (
        DEMO
        + """\
steps:
  - fetch
""",
        """\
flow.yaml:4:5: error: a step is a mapping, not the text 'fetch'
    - fetch
      ^
  Write `- id: name`.""",
    ),
    "a mapping for code": (
        DEMO
        + """\
steps:
  - id: a
    code: {x: 1}
""",
        """\
flow.yaml:5:11: error: 'code' is text, not a mapping
      code: {x: 1}
            ^""",
    ),
    "a number for wait": (
        DEMO
        + """\
steps:
  - id: a
    wait: 5
""",
        """\
flow.yaml:5:11: error: 'wait' is a mapping, not 5
      wait: 5
            ^
  Its keys: seconds, until.""",
    ),
    "a list for packages": (
        DEMO + "packages: [numpy]\n" + FETCH,
        """\
flow.yaml:3:11: error: 'packages' is a mapping, not a list
  packages: [numpy]
            ^
  Its keys: profile, additional.""",
    ),
    "a mapping for depends_on": (
        DEMO + FETCH + "    depends_on: {a: b}\n",
        """\
flow.yaml:6:17: error: 'depends_on' is a list, not a mapping
      depends_on: {a: b}
                  ^
  Put a dash before each item.""",
    ),
    "two kinds in one step": (
        DEMO + FETCH + "    code: return 1\n",
        """\
flow.yaml:6:5: error: step 'fetch' has two kinds: 'tool' and 'code'
      code: return 1
      ^
  Make two steps of it.""",
    ),
    "no kind": (
        DEMO
        + """\
steps:
  - id: fetch
    params: {path: a}
""",
        """\
flow.yaml:4:5: error: step 'fetch' has no kind of tool, code, workflow, approval, wait
    - id: fetch
      ^""",
    ),
    "a kind with a typo": (
        DEMO
        + """\
steps:
  - id: fetch
    tol: fs_read
""",
        """\
flow.yaml:5:5: error: unknown key 'tol' in step 'fetch'
      tol: fs_read
      ^
  Did you mean 'tool'?""",
    ),
    "a timeout with its unit": (
        DEMO + FETCH + "    timeout: 5s\n",
        """\
flow.yaml:6:14: error: 'timeout' is a number, not the text '5s'
      timeout: 5s
               ^
  Write `timeout: 5`.""",
    ),
    "a negative timeout": (
        DEMO + FETCH + "    timeout: -5\n",
        """\
flow.yaml:6:14: error: 'timeout' is a number of seconds above 0, not -5
      timeout: -5
               ^""",
    ),
    "a timeout without end": (
        DEMO + FETCH + "    timeout: .inf\n",
        """\
flow.yaml:6:14: error: .inf is not a number that JSON can hold
      timeout: .inf
               ^
  Where text is meant, put it in quotes.""",
    ),
    "another word for continue": (
        DEMO + FETCH + "    on_error: skip\n",
        """\
flow.yaml:6:15: error: 'on_error' is one of fail, continue, retry, not the text 'skip'
      on_error: skip
                ^""",
    ),
    "a step id twice": (
        DEMO
        + FETCH
        + """\
  - id: fetch
    tool: fs_write
""",
        """\
flow.yaml:6:9: error: the step id 'fetch' stands twice, first on line 4
    - id: fetch
          ^
  Rename one of them.""",
    ),
    "a key twice": (
        DEMO + FETCH + "    tool: fs_write\n",
        """\
flow.yaml:6:5: error: the key 'tool' stands twice, first on line 5
      tool: fs_write
      ^
  Remove one of them.""",
    ),
    "a hyphen in a step id": (
        DEMO
        + """\
steps:
  - id: fetch-page
    tool: http_get
""",
        """\
flow.yaml:4:9: error: the step id 'fetch-page' is not allowed: a hyphen reads as minus in templates
    - id: fetch-page
          ^
  Write 'fetch_page'.""",
    ),
    "no step id": (
        DEMO
        + """\
steps:
  - tool: http_get
""",
        """\
flow.yaml:4:5: error: a step needs an id
    - tool: http_get
      ^
  Add `id: name`.""",
    ),
    "a name for a step id": (
        DEMO
        + """\
steps:
  - name: fetch
    tool: http_get
""",
        """\
flow.yaml:4:5: error: a step needs an id
    - name: fetch
      ^
  Add `id: name`.
flow.yaml:4:5: error: unknown key 'name' in the step of kind 'tool'
    - name: fetch
      ^
  What it hands over stands under `params:`.""",
    ),
    "a name that is a sentence": (
        """\
name: my demo!
version: 1
steps:
  - id: fetch
    tool: fs_read
""",
        """\
flow.yaml:1:7: error: the name 'my demo!' is not a letter followed by at most 63 letters, digits, _ and -
  name: my demo!
        ^
  Write 'my-demo'.""",
    ),
    "a version in words": (
        """\
name: demo
version: latest
steps:
  - id: fetch
    tool: fs_read
""",
        """\
flow.yaml:2:10: error: the version is like 1, 1.0 or 2.1.3, not the text 'latest'
  version: latest
           ^""",
    ),
    "a list for the version": (
        """\
name: demo
version: [1, 0]
steps:
  - id: fetch
    tool: fs_read
""",
        """\
flow.yaml:2:10: error: the version is like 1, 1.0 or 2.1.3, not a list
  version: [1, 0]
           ^""",
    ),
    "an empty file": (
        "",
        """\
flow.yaml:1:1: error: the file is empty
  Run `ael schema workflow` to see what a workflow file holds.""",
    ),
    "a list as the file": (
        """\
- id: fetch
  tool: fs_read
""",
        """\
flow.yaml:1:1: error: a workflow is a mapping, not a list
  - id: fetch
  ^
  Start with `name:`, `version:`, `steps:`.""",
    ),
    "nothing but a comment": (
        "# nothing yet\n",
        """\
flow.yaml:1:1: error: the file holds nothing but comments
  # nothing yet
  ^
  Run `ael schema workflow` to see what a workflow file holds.""",
    ),
    "two documents": (
        DEMO + FETCH + "---\n" + DEMO + FETCH,
        """\
flow.yaml:6:1: error: the file holds several documents
  ---
  ^
  Keep one document in a file.""",
    ),
    "aliases of aliases": (
        """\
a: &a [x,x,x,x,x,x,x,x,x]
b: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]
c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]
d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]
e: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]
f: [*e,*e,*e,*e,*e,*e,*e,*e,*e]
""",
        """\
flow.yaml:1:22: error: aliases expand too far
  a: &a [x,x,x,x,x,x,x,x,x]
                       ^
  The limit is 10000 nodes.""",
    ),
    "an alias into itself": (
        DEMO + "inputs: &a [*a]\n" + FETCH,
        """\
flow.yaml:3:9: error: an alias leads deeper than 64 levels, perhaps into itself
  inputs: &a [*a]
          ^""",
    ),
    "an alias without its anchor": (
        DEMO + "tags: *tags\n" + FETCH,
        """\
flow.yaml:3:7: error: an alias names no anchor
  tags: *tags
        ^
  A text that starts with * stands in quotes; an alias needs its `&name` above.""",
    ),
    "a file in Latin-1": (
        DEMO.encode() + b"description: caf\xe9\n" + FETCH.encode(),
        """\
flow.yaml:3:17: error: the file is not UTF-8
  Save it as UTF-8.""",
    ),
    "a file in UTF-16": (
        (DEMO + FETCH).encode("utf-16"),
        """\
flow.yaml:1:1: error: the file is not UTF-8
  Save it as UTF-8.""",
    ),
    "a character that YAML forbids": (
        DEMO + "description: a\0b\n" + FETCH,
        """\
flow.yaml:3:15: error: the file holds the character U+0000, which YAML forbids
  description: a�b
                ^
  Write it as an escape in double quotes, as "\\x00".""",
    ),
    "a merge key": (
        DEMO
        + """\
steps:
  - &a
    id: x
    tool: t
  - <<: *a
    id: y
""",
        """\
flow.yaml:7:5: error: merge keys (`<<`) are not part of YAML 1.2
    - <<: *a
      ^
  Use `defaults`, or repeat the keys.
flow.yaml:7:5: error: step 'y' has no kind of tool, code, workflow, approval, wait
    - <<: *a
      ^""",
    ),
    "a tag of Python's": (
        DEMO + "steps: !!python/object:os.system []\n",
        """\
flow.yaml:3:8: error: the tag '!!python/object:os.system' is not known here
  steps: !!python/object:os.system []
         ^
  Remove the tag.
flow.yaml:3:8: error: a workflow has at least one step
  steps: !!python/object:os.system []
         ^""",
    ),
    "a missing comma": (
        '{"name": "demo", "version": 1, "steps": [{"id": "a" "tool": "t"}]}',
        """\
flow.yaml:1:53: error: a '{' is not closed, or a comma is missing
  {"name": "demo", "version": 1, "steps": [{"id": "a" "tool": "t"}]}
                                                      ^
  It opens on line 1, column 42.""",
    ),
    "when that ends too early": (
        DEMO + FETCH + "    when: inputs.a >\n",
        """\
flow.yaml:6:21: error: the expression ends too early
      when: inputs.a >
                      ^
  Something is missing here.""",
    ),
    "when with one equals sign": (
        DEMO
        + """\
inputs: [a]
steps:
  - id: fetch
    tool: fs_read
    when: inputs.a = 'x'
""",
        """\
flow.yaml:7:20: error: `=` does not exist in expressions
      when: inputs.a = 'x'
                     ^
  Write `==` to compare.""",
    ),
    "when that is more than its braces": (
        DEMO
        + """\
inputs: [a]
steps:
  - id: fetch
    tool: fs_read
    when: "{{ inputs.a }} == 1"
""",
        """\
flow.yaml:7:12: error: only one expression can stand here
      when: "{{ inputs.a }} == 1"
             ^
  Write all of it in one pair of braces, or without braces.""",
    ),
    "a template closed by one brace": (
        DEMO
        + """\
inputs: [a]
steps:
  - id: fetch
    tool: fs_read
    params: {path: "{{ inputs.a }"}
""",
        """\
flow.yaml:7:33: error: `}` closes nothing
      params: {path: "{{ inputs.a }"}
                                  ^
  A template ends with `}}`.""",
    ),
    "a template that is not closed": (
        DEMO
        + """\
inputs: [a]
steps:
  - id: fetch
    tool: fs_read
    params: {path: "/tmp/{{ inputs.a"}
""",
        """\
flow.yaml:7:26: error: `{{` is not closed
      params: {path: "/tmp/{{ inputs.a"}
                           ^
  Add `}}`, or write `{{ '{{' }}` for the characters themselves.""",
    ),
    "a statement in a template": (
        DEMO + FETCH + '    params: {path: "{% if a %}x{% endif %}"}\n',
        """\
flow.yaml:6:21: error: statements (`{%`) do not exist in templates
      params: {path: "{% if a %}x{% endif %}"}
                      ^
  Use an expression, or write `{{ '{%' }}` for the characters themselves.""",
    ),
    "an undeclared input on a line further down": (
        DEMO
        + """\
inputs: [a]
steps:
  - id: fetch
    tool: fs_read
    params:
      text: |
        first line
        {{ inputs.b }}
""",
        """\
flow.yaml:10:12: error: unknown input 'b'
          {{ inputs.b }}
             ^
  Known inputs: a.""",
    ),
    "an undeclared input in a long line": (
        DEMO
        + "inputs: [a]\n"
        + FETCH
        + "    params: {text: '"
        + "word " * 30
        + "{{ inputs.b }}"
        + " word" * 30
        + "'}\n",
        """\
flow.yaml:7:174: error: unknown input 'b'
  word word word word word word word {{ inputs.b }} word word word word word w
                                        ^
  Known inputs: a.""",
    ),
    "code that does not parse": (
        DEMO
        + """\
steps:
  - id: sum
    code: |
      x = 1
      return x +
""",
        """\
flow.yaml:7:17: error: invalid syntax
        return x +
                  ^""",
    ),
    "code without its block": (
        DEMO
        + """\
steps:
  - id: sum
    code: |
      for x in []:
      return x
""",
        """\
flow.yaml:7:7: error: expected an indented block after 'for' statement on line 6
        return x
        ^""",
    ),
    "a forbidden import": (
        DEMO
        + """\
steps:
  - id: sum
    code: |
      import os
      return 1
""",
        """\
flow.yaml:6:7: error: the import of 'os' is not allowed
        import os
        ^
  Use a tool step for that.""",
    ),
    "an import with a typing error": (
        DEMO
        + """\
steps:
  - id: sum
    code: |
      import jsn
      return 1
""",
        """\
flow.yaml:6:7: error: the import of 'jsn' is not allowed
        import jsn
        ^
  Did you mean 'json'?""",
    ),
    "a file opened in code": (
        DEMO
        + """\
steps:
  - id: sum
    code: |
      return open("a.txt").read()
""",
        """\
flow.yaml:6:14: error: the name 'open' is not allowed
        return open("a.txt").read()
               ^
  Files are a tool's work: add a tool step, or `await tools.call(…)`.""",
    ),
    "eval in code": (
        DEMO
        + """\
steps:
  - id: sum
    code: return eval("1")
""",
        """\
flow.yaml:5:18: error: the name 'eval' is not allowed
      code: return eval("1")
                   ^
  Write the program out; `json.loads` reads data.""",
    ),
    "a template in code that is not closed": (
        DEMO
        + """\
inputs: [a]
steps:
  - id: sum
    code: |
      return {{ inputs.a
""",
        """\
flow.yaml:7:14: error: `{{` is not closed
        return {{ inputs.a
               ^
  Add `}}`, or write `{{ '{{' }}` for the characters themselves.""",
    ),
    "an undeclared input in code": (
        DEMO
        + """\
inputs: [a]
steps:
  - id: sum
    code: |
      return {{ inputs.aa }}
""",
        """\
flow.yaml:7:17: error: unknown input 'aa'
        return {{ inputs.aa }}
                  ^
  Did you mean 'a'?""",
    ),
    "no code": (
        DEMO
        + """\
steps:
  - id: sum
    code:
""",
        """\
flow.yaml:5:10: error: the code is empty
      code:
           ^
  Write it under `code: |`.""",
    ),
    "a step in code": (
        DEMO
        + """\
steps:
  - id: sum
    code: |
      return steps['smu']
""",
        """\
flow.yaml:6:21: error: unknown step 'smu'
        return steps['smu']
                      ^
  Did you mean 'sum'?""",
    ),
    "a template as a function's name": (
        DEMO
        + """\
inputs: [a]
steps:
  - id: sum
    code: |
      def {{ inputs.a }}(): pass
      return 1
""",
        """\
flow.yaml:7:7: error: a template cannot be a function name; it is a value
        def {{ inputs.a }}(): pass
        ^""",
    ),
    "foreach on nothing": (
        DEMO + FETCH + "    foreach:\n",
        """\
flow.yaml:6:13: error: 'foreach' is an expression that gives a list, not empty
      foreach:
              ^
  Write `foreach: inputs.NAME` or a list.""",
    ),
    "foreach on an undeclared input": (
        DEMO + FETCH + "    foreach: inputs.things\n",
        """\
flow.yaml:6:14: error: unknown input 'things'
      foreach: inputs.things
               ^
  This workflow declares no inputs.""",
    ),
    "foreach on a list of templates": (
        DEMO
        + """\
inputs: [a]
steps:
  - id: fetch
    tool: fs_read
    foreach: ["{{ inputs.a }}"]
""",
        """\
flow.yaml:7:14: error: a list written out under 'foreach' holds no templates
      foreach: ["{{ inputs.a }}"]
               ^
  Write the whole as one expression: `foreach: "{{ [inputs.a, 'b'] }}"`.""",
    ),
    "an item without foreach": (
        DEMO + FETCH + '    params: {path: "{{ item }}"}\n',
        """\
flow.yaml:6:24: error: unknown name 'item' in a template
      params: {path: "{{ item }}"}
                         ^
  'item' exists only inside a step with foreach.""",
    ),
    "as without foreach": (
        DEMO + FETCH + "    as: page\n",
        """\
flow.yaml:6:5: warning: 'as' has no effect without 'foreach'
      as: page
      ^""",
    ),
    "both output and outputs": (
        DEMO
        + FETCH
        + """\
output: x
outputs: {y: {value: 1}}
""",
        """\
flow.yaml:7:1: error: 'output' and 'outputs' exclude each other
  outputs: {y: {value: 1}}
  ^
  Keep one of them.""",
    ),
    "an output of two sources": (
        DEMO + FETCH + "outputs: {y: {value: 1, from_path: steps.fetch.output}}\n",
        """\
flow.yaml:6:11: error: the output 'y' has both 'from_path' and 'value'
  outputs: {y: {value: 1, from_path: steps.fetch.output}}
            ^""",
    ),
    "a path that is none": (
        DEMO
        + FETCH
        + """\
outputs:
  - y: {from_path: "steps.fetch.output[x]"}
""",
        """\
flow.yaml:7:39: error: not a path: 'steps.fetch.output[x]'
    - y: {from_path: "steps.fetch.output[x]"}
                                        ^
  A path is like steps.fetch.output.items[0].name.""",
    ),
    "a path without its root": (
        DEMO
        + FETCH
        + """\
outputs:
  - y: {from_path: fetch.output}
""",
        """\
flow.yaml:7:20: error: the path starts with 'fetch'
    - y: {from_path: fetch.output}
                     ^
  Did you mean 'steps.fetch.output'?""",
    ),
    "a step in a path": (
        DEMO
        + FETCH
        + """\
outputs:
  - y: {from_path: steps.fech.output}
""",
        """\
flow.yaml:7:26: error: unknown step 'fech'
    - y: {from_path: steps.fech.output}
                           ^
  Did you mean 'fetch'?""",
    ),
    "an output's schema that is none": (
        DEMO
        + FETCH
        + """\
outputs:
  - y: {value: 1, schema: {type: nubmer}}
""",
        """\
flow.yaml:7:27: error: not a JSON Schema: at type: "nubmer" is none of string, integer, number, boolean, array, object, null
    - y: {value: 1, schema: {type: nubmer}}
                            ^""",
    ),
    "an output twice": (
        DEMO
        + FETCH
        + """\
outputs:
  - y: {value: 1}
  - y: {value: 2}
""",
        """\
flow.yaml:8:5: error: the output 'y' is declared twice
    - y: {value: 2}
      ^
  Remove one of them.""",
    ),
    "a default above its maximum": (
        DEMO
        + """\
inputs:
  - n: {type: integer, default: 11, maximum: 10}
"""
        + FETCH,
        """\
flow.yaml:4:33: error: the default of 'n' is at most 10, not 11
    - n: {type: integer, default: 11, maximum: 10}
                                  ^""",
    ),
    "a default with a wrong item": (
        DEMO
        + """\
inputs:
  - n: {type: array, default: [1, x], items: {type: integer}}
"""
        + FETCH,
        """\
flow.yaml:4:31: error: the default of 'n' at n[1]: "x" is not of type "integer"
    - n: {type: array, default: [1, x], items: {type: integer}}
                                ^""",
    ),
    "a secret default of another type": (
        DEMO
        + """\
inputs:
  - n: {type: integer, default: hunter2, secret: true}
"""
        + FETCH,
        """\
flow.yaml:4:33: error: the default of 'n' is an integer, not the value given
    - n: {type: integer, default: hunter2, secret: true}
                                  ^""",
    ),
    "an empty enum": (
        DEMO
        + """\
inputs:
  - n: {enum: []}
"""
        + FETCH,
        """\
flow.yaml:4:15: error: 'enum' lists no value: nothing could be given
    - n: {enum: []}
                ^""",
    ),
    "a pattern that is none": (
        DEMO
        + """\
inputs:
  - n: {pattern: "[a-"}
"""
        + FETCH,
        """\
flow.yaml:4:18: error: the pattern is not a regular expression: missing ]: [a-
    - n: {pattern: "[a-"}
                   ^""",
    ),
    "a maximum below the minimum": (
        DEMO
        + """\
inputs:
  - n: {type: integer, minimum: 10, maximum: 1}
"""
        + FETCH,
        """\
flow.yaml:4:46: error: 'maximum' 1 is below 'minimum' 10
    - n: {type: integer, minimum: 10, maximum: 1}
                                               ^
  Exchange them.""",
    ),
    "a minimum of a text": (
        DEMO
        + """\
inputs:
  - n: {minimum: 10}
"""
        + FETCH,
        """\
flow.yaml:4:9: warning: 'minimum' has no effect on an input of type string
    - n: {minimum: 10}
          ^""",
    ),
    "a type for items": (
        DEMO
        + """\
inputs:
  - n: {type: array, items: string}
"""
        + FETCH,
        """\
flow.yaml:4:29: error: 'items' is a mapping, not the text 'string'
    - n: {type: array, items: string}
                              ^""",
    ),
    "yes for true": (
        DEMO
        + """\
inputs:
  - n: {required: yes}
"""
        + FETCH,
        """\
flow.yaml:4:19: error: 'required' is true or false, not the text 'yes'
    - n: {required: yes}
                    ^
  Write `required: true`.""",
    ),
    "no attempt": (
        DEMO + FETCH + "    retry: {max_attempts: 0}\n",
        """\
flow.yaml:6:27: error: 'max_attempts' is between 1 and 100, not 0
      retry: {max_attempts: 0}
                            ^
  It counts the first attempt.""",
    ),
    "a delay with its unit": (
        DEMO + FETCH + "    retry: {initial_delay: 500ms}\n",
        """\
flow.yaml:6:28: error: 'initial_delay' is a number, not the text '500ms'
      retry: {initial_delay: 500ms}
                             ^
  Write `initial_delay: 0.5`.""",
    ),
    "an error code with a typo": (
        DEMO + FETCH + "    retry: {retry_on: [TOOL_TIMEOT]}\n",
        """\
flow.yaml:6:24: error: 'TOOL_TIMEOT' is no error code
      retry: {retry_on: [TOOL_TIMEOT]}
                         ^
  Did you mean 'TOOL_TIMEOUT'?""",
    ),
    "a wait for two things": (
        DEMO
        + """\
steps:
  - id: a
    wait: {seconds: 1, until: 2030-01-01}
""",
        """\
flow.yaml:5:11: error: 'wait' has exactly one of 'seconds' and 'until'
      wait: {seconds: 1, until: 2030-01-01}
            ^""",
    ),
    "a time in words": (
        DEMO
        + """\
steps:
  - id: a
    wait: {until: tomorrow}
""",
        """\
flow.yaml:5:19: error: 'until' is a time or a template, not the text 'tomorrow'
      wait: {until: tomorrow}
                    ^
  Write it like 2030-01-31T09:00:00Z.""",
    ),
    "an approval without its question": (
        DEMO
        + """\
steps:
  - id: a
    approval: {approvers: [me]}
""",
        """\
flow.yaml:5:15: error: 'approval' needs the key 'message'
      approval: {approvers: [me]}
                ^""",
    ),
    "four mistakes at once": (
        DEMO
        + """\
colour: red
inputs:
  - n: {type: interger}
steps:
  - id: a-b
    tool: x
    timeout: 5s
""",
        """\
flow.yaml:3:1: error: unknown key 'colour' in the workflow
  colour: red
  ^
  Known keys: annotations, defaults, description, expose, finally, inputs, …
flow.yaml:5:15: error: 'type' is one of string, integer, number, boolean, array, object, not the text 'interger'
    - n: {type: interger}
                ^
  Did you mean 'integer'?
flow.yaml:7:9: error: the step id 'a-b' is not allowed: a hyphen reads as minus in templates
    - id: a-b
          ^
  Write 'a_b'.
flow.yaml:9:14: error: 'timeout' is a number, not the text '5s'
      timeout: 5s
               ^
  Write `timeout: 5`.""",
    ),
    "the error where none is": (
        DEMO + FETCH + '    params: {m: "{{ error.message }}"}\n',
        """\
flow.yaml:6:21: error: unknown name 'error' in a template
      params: {m: "{{ error.message }}"}
                      ^
  'error' exists only in on_failure, finally and compensate; a step's error is steps.ID.error.""",
    ),
}


@pytest.mark.parametrize(("text", "said"), MISTAKES.values(), ids=MISTAKES)
async def test_a_mistake_is_named_with_its_place_its_reason_and_its_repair(
    text: str | bytes, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = await report_on(text, tmp_path, monkeypatch)
    assert "\n".join(problem.render() for problem in report.problems) == said
    for problem in report.problems:
        assert len(problem.render().splitlines()) <= 4
        assert problem.location is not None


async def report_on(text: str | bytes, directory: Path, monkeypatch: pytest.MonkeyPatch) -> ValidationReport:
    """Validate a file named `flow.yaml` in the current directory."""
    monkeypatch.chdir(directory)
    Path("flow.yaml").write_bytes(text.encode() if isinstance(text, str) else text)
    async with App.open(Settings()) as app:
        return await app.validate("flow.yaml")


def problems_of(text: str | bytes) -> tuple[Problem, ...]:
    with pytest.raises(WorkflowInvalid) as caught:
        load_text(text, "flow.yaml")
    return caught.value.problems


# -- files that are none -----------------------------------------------------------------------------------------------


def test_what_is_no_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("greeting.yaml").write_text(DEMO + FETCH)
    Path("directory").mkdir()
    os.mkfifo("pipe.yaml")
    Path("large.yaml").write_bytes(b"x" * (5 * 1024 * 1024))
    said = {}
    for path in ("greting.yaml", "nowhere/at/all.yaml", "directory", "pipe.yaml", "large.yaml", "a\0b.yaml"):
        with pytest.raises(WorkflowInvalid) as caught:
            load_file(path)
        said[path] = caught.value.detail
    assert said == {
        "greting.yaml": "error: there is no file 'greting.yaml'\n  Did you mean 'greeting.yaml'?",
        "nowhere/at/all.yaml": "error: there is no file 'nowhere/at/all.yaml'",
        "directory": "error: 'directory' is a directory\n  Name a file in it; `ael validate` takes directories.",
        "pipe.yaml": "error: 'pipe.yaml' is not a regular file",
        "large.yaml": (
            f"error: 'large.yaml' has {5 * 1024 * 1024} bytes, the limit is {MAX_TEXT}\n"
            "  Split it, or move data into inputs."
        ),
        "a\0b.yaml": "error: 'a\\x00b.yaml' is not the name of a file",
    }


def test_a_file_may_be_as_long_as_the_limit_and_no_longer() -> None:
    text = DEMO + FETCH
    longest = text + "#" * (MAX_TEXT - len(text))
    assert load_text(longest, "flow.yaml").definition.workflow.name == "demo"
    (problem,) = problems_of(longest + "#")
    assert problem.message == f"the file has {MAX_TEXT + 1} bytes, the limit is {MAX_TEXT}"


def test_half_of_a_surrogate_pair_is_no_text() -> None:
    (problem,) = problems_of(DEMO + "description: \ud83d\n" + FETCH)
    assert problem.message == "the text holds half of a surrogate pair, which is no character"


# -- hostile files -----------------------------------------------------------------------------------------------------


def nested(levels: int) -> str:
    """Return a workflow whose parameter is that many lists, below the four levels that lead to it."""
    return f"{DEMO}{FETCH}    params: {{deep: {'[' * levels}{']' * levels}}}\n"


def test_nesting_ends_at_its_limit() -> None:
    # The file, its steps, the step, its parameters.
    outer = 4
    assert load_text(nested(MAX_DEPTH - outer), "flow.yaml").definition.workflow.name == "demo"
    for levels in (MAX_DEPTH - outer + 1, 3_000):
        (problem,) = problems_of(nested(levels))
        assert problem.message == f"nested deeper than {MAX_DEPTH} levels"
        assert problem.location is not None
        # Nobody looked further than one level below the limit.
        assert problem.location.column == len("    params: {deep: ") + MAX_DEPTH - outer + 1


@pytest.mark.parametrize(
    "text",
    [
        "[" * 3_000,
        "{a: " * 3_000,
        "- " * 3_000,
        "? " * 3_000,
        "\n".join(" " * level + "a:" for level in range(1_000)),
        "\n".join(" " * level + "- - -" for level in range(0, 3_000, 6)),
    ],
    ids=["lists", "mappings", "dashes", "questions", "indented keys", "indented dashes"],
)
def test_deep_nesting_of_any_kind_is_refused(text: str) -> None:
    (problem,) = problems_of(text)
    assert problem.message == f"nested deeper than {MAX_DEPTH} levels"


@given(st.integers(1, 12), st.integers(2, 12))
def test_aliases_expand_to_their_limit_and_no_further(levels: int, width: int) -> None:
    lines = ["tags: &a0 [x]"] if levels == 1 else ["steps: &a0 [x]"]
    lines += [f"k{level}: &a{level} [{', '.join([f'*a{level - 1}'] * width)}]" for level in range(1, levels + 1)]
    messages = {problem.message for problem in problems_of("\n".join(lines))}
    # Each level is its own node and `width` copies of the level below.
    size = [2]
    for _ in range(levels):
        size.append(1 + width * size[-1])
    added = sum(width * below for below in size[:-1])
    assert ("aliases expand too far" in messages) == (added > MAX_ALIASED)


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [*a]",
        "a: &a [x,x,x,x,x,x,x,x,x]\n"
        + "".join(f"{chr(98 + n)}: &{chr(98 + n)} [{','.join([f'*{chr(97 + n)}'] * 9)}]\n" for n in range(20)),
        "text: &t " + "x" * 100_000 + "\nall: [" + ", ".join(["*t"] * 9_000) + "]",
        "".join(f"k{n}: 1\n" for n in range(20_000)),
        "".join("k: 1\n" for _ in range(20_000)),
        DEMO + "inputs:\n" + "".join(f"  - n{n}: {{type: nubmer}}\n" for n in range(5_000)) + FETCH,
        DEMO + "steps:\n" + "".join(f"  - id: s-{n}\n" for n in range(10_000)),
        "&a " * 10_000,
        "!!python/object:os.system " * 10_000,
        "'" * 500_001,
        ("-" * 200 + "\n") * 5_000,
        "? " + "x" * 500_000 + "\n: 1\n",
        "1" * 1_000_000,
        "name: " + "9" * 500_000,
        "-" * 1_000_000,
    ],
)
def test_a_hostile_file_costs_no_more_than_its_length(text: str) -> None:
    tracemalloc.start()
    try:
        problems = problems_of(text)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(problems) <= MAX_PROBLEMS + 1
    assert sum(len(problem.render()) for problem in problems) <= 600 * len(problems)
    # A node, its marks and its text are a few hundred bytes; a shortest node is two characters.
    assert peak <= 4 * 1024 * 1024 + 1_000 * len(text)


# -- properties --------------------------------------------------------------------------------------------------------


def load_and_plan(text: str | bytes) -> None:
    """Load and plan as far as it goes: nothing but problems may be raised, and all of them show well."""
    try:
        loaded = load_text(text, "flow.yaml")
        make_plan(loaded.definition, bind_blocks(loaded.definition), {})
        shown = loaded.warnings
    except ProblemsError as error:
        assert any(problem.severity == "error" for problem in error.problems)
        shown = error.problems
    lines = (text if isinstance(text, str) else text.decode(errors="replace")).splitlines()
    for problem in shown:
        assert problem.message
        assert len(problem.render().splitlines()) <= 4
        if problem.location is not None:
            assert problem.location.file == "flow.yaml"
            assert 1 <= problem.location.line <= len(lines) + 1
            assert problem.location.column >= 1


@given(st.text() | st.binary())
def test_no_text_makes_the_loader_raise_anything_else(text: str | bytes) -> None:
    load_and_plan(text)


#: What YAML acts on, and what workflows are made of.
PIECES = [
    *(
        "\n",
        "\n  ",
        "\n    ",
        "\n- ",
        "\n  - ",
        ": ",
        ":",
        "- ",
        "? ",
        ", ",
        "[",
        "]",
        "{",
        "}",
        "'",
        '"',
        "|\n",
        ">-\n",
    ),
    *(
        "&a ",
        "*a",
        "!!str ",
        "!x ",
        "#",
        " # ",
        "---\n",
        "...\n",
        "%YAML 1.2\n",
        "<<: ",
        "\t",
        "\\",
        "\0",
        "\ufeff",
        "\x85",
    ),
    *(
        "{{ ",
        " }}",
        "{{",
        "{% ",
        "inputs.",
        "steps.",
        "x",
        "1",
        "1.5",
        "-1",
        ".inf",
        "0o17",
        "true",
        "null",
        "~",
        "é",
        "😀",
    ),
    *TOP_KEYS,
    *COMMON_STEP_KEYS,
    *KINDS,
]


@given(st.lists(st.sampled_from(PIECES), max_size=40).map("".join))
def test_no_file_made_of_yaml_makes_the_loader_raise_anything_else(text: str) -> None:
    load_and_plan(text)
    load_and_plan(DEMO + text + "\n" + FETCH)
    load_and_plan(DEMO + FETCH + text)


WHOLE = (Path(__file__).parents[2] / "examples/workflows/data-processing.yaml").read_text()


@given(st.data())
def test_no_slip_of_the_hand_makes_the_loader_raise_anything_else(data: st.DataObject) -> None:
    text = WHOLE
    for _ in range(data.draw(st.integers(1, 4), label="slips")):
        start = data.draw(st.integers(0, len(text)), label="from")
        end = min(len(text), start + data.draw(st.integers(0, 12), label="deleted"))
        text = text[:start] + data.draw(st.sampled_from(["", *PIECES]), label="put in") + text[end:]
    load_and_plan(text)


NAMES = sorted({*TOP_KEYS, *COMMON_STEP_KEYS, *KINDS, *record_fields(InputSpec), *record_fields(RetryPolicy), "", "x"})
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(
        ["", "x", "5s", "{{ inputs.x }}", "{{ 1 +", "steps.a.output", "a-b", "standard", "fail", "integer"]
    )
)
TREES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=5),
    max_leaves=20,
)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from(TOP_KEYS), TREES, max_size=6), st.dictionaries(st.sampled_from(NAMES), TREES))
def test_whatever_stands_at_a_key_is_taken_or_refused(top: dict[str, Any], step: dict[str, Any]) -> None:
    whole = {"name": "demo", "version": 1, "steps": [{"id": "a", "tool": "t", **step}], **top}
    load_and_plan(json.dumps(whole))
    load_and_plan(yaml.safe_dump(whole, allow_unicode=True))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"name": {\n', "f:1:10: error: a '{' is not closed"),
        ("inputs: [a, {b: [1], \n", "f:1:13: error: a '{' is not closed"),
        ("tags: [a, {b: 1},\n\n", "f:1:7: error: a '[' is not closed"),
    ],
)
def test_of_brackets_that_are_open_at_the_end_the_innermost_is_named(text: str, told: str) -> None:
    with pytest.raises(WorkflowInvalid) as refused:
        load_text(text, "f")
    assert refused.value.problems[0].render().startswith(told)
