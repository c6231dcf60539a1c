"""The language layers: which names, attributes and modules code may use.

Diagnostics with lines and clear errors, and depth; never the boundary, which is the kernel. Standard library only.
"""

from __future__ import annotations

import ast
import builtins
import contextlib
import datetime as real_datetime
import importlib
import operator
import random as real_random
import sys
import time as real_time
import uuid as real_uuid
from collections.abc import Callable, Iterable
from typing import Any

MINIMAL = ("json", "re", "datetime", "math")
STANDARD = (
    *MINIMAL,
    *("random", "typing", "collections", "collections.abc", "itertools", "functools", "hashlib", "uuid", "base64"),
    *("urllib.parse", "decimal", "statistics", "operator", "copy", "time", "string", "textwrap", "enum"),
    *("dataclasses", "fractions", "asyncio"),
)
PROFILES = {"minimal": MINIMAL, "standard": STANDARD, "data_science": (*STANDARD, "numpy", "pandas")}

#: Modules of which code gets a part.
_PARTS = {
    "asyncio": (
        *("gather", "sleep", "TaskGroup", "timeout", "timeout_at", "wait_for", "wait", "shield", "create_task"),
        *("as_completed", "Lock", "Event", "Semaphore", "Queue", "CancelledError", "TimeoutError", "Task", "Future"),
        *("FIRST_COMPLETED", "FIRST_EXCEPTION", "ALL_COMPLETED"),
    )
}
#: What evaluates strings, reads attributes by any name, or is written to by all steps of a child.
_HIDDEN = {
    "random": {"SystemRandom"},
    "string": {"Formatter"},
    "typing": {"get_type_hints", "ForwardRef", "evaluate_forward_ref", "get_annotations"},
    "functools": {"singledispatch", "singledispatchmethod"},
    "dataclasses": {"make_dataclass"},
    "copy": {"dispatch_table"},
}

#: Modules that C code imports through the calling frame's builtins (strptime, numpy); code itself cannot name them.
_INTERNAL = frozenset({"_strptime", "time", "datetime", "locale", "encodings", "unicodedata", "numpy", "pandas"})

_FRAMES = frozenset(
    [
        "gi_frame",
        "gi_code",
        "gi_yieldfrom",
        "cr_frame",
        "cr_code",
        "cr_await",
        "cr_origin",
        "ag_frame",
        "ag_code",
        "ag_await",
        "tb_frame",
        "tb_next",
        "tb_lasti",
        "f_globals",
        "f_locals",
        "f_builtins",
        "f_back",
        "f_code",
        "f_trace",
        "co_code",
        "co_consts",
        "func_globals",
        "func_code",
        "mro",
        # Of asyncio's tasks and loop.
        *("get_loop", "get_stack", "print_stack", "get_coro", "get_context"),
        *("_loop", "_coro", "_channel", "_selector", "_ready", "_scheduled", "_callbacks", "_context"),
    ]
)
_DUNDERS = frozenset(
    [
        "__init__",
        "__new__",
        "__len__",
        "__iter__",
        "__next__",
        "__repr__",
        "__str__",
        "__eq__",
        "__ne__",
        "__hash__",
        "__lt__",
        "__le__",
        "__gt__",
        "__ge__",
        "__add__",
        "__radd__",
        "__iadd__",
        "__sub__",
        "__rsub__",
        "__mul__",
        "__rmul__",
        "__truediv__",
        "__floordiv__",
        "__mod__",
        "__neg__",
        "__abs__",
        "__and__",
        "__or__",
        "__xor__",
        "__invert__",
        "__bool__",
        "__int__",
        "__float__",
        "__index__",
        "__round__",
        "__getitem__",
        "__setitem__",
        "__delitem__",
        "__contains__",
        "__missing__",
        "__call__",
        "__enter__",
        "__exit__",
        "__aenter__",
        "__aexit__",
        "__aiter__",
        "__anext__",
        "__await__",
        "__post_init__",
        "__name__",
        "__doc__",
        "__cause__",
        "__context__",
        "__slots__",
        "__format__",
        "__reversed__",
        "__init_subclass__",
        "__notes__",
    ]
)
_NAMES = frozenset(
    [
        "eval",
        "exec",
        "compile",
        "open",
        "input",
        "__import__",
        "globals",
        "locals",
        "vars",
        "breakpoint",
        "help",
        "exit",
        "quit",
        "memoryview",
        "copyright",
        "credits",
        "license",
        "__builtins__",
        "__loader__",
        "__spec__",
        "__build_class__",
        "__debug__",
        "dir",
    ]
)


#: What to use in place of a name.
_INSTEAD = {
    "open": "Files are a tool's work: add a tool step, or `await tools.call(…)`.",
    "input": "Take it from `inputs`.",
    "eval": "Write the program out; `json.loads` reads data.",
    "exec": "Write the program out.",
    "compile": "Write the program out.",
    "__import__": "Use an import statement.",
    "globals": "Keep values in a dict of your own.",
    "locals": "Keep values in a dict of your own.",
    "vars": "Keep values in a dict of your own.",
    "exit": "End the step with `return`.",
    "quit": "End the step with `return`.",
    "breakpoint": "Use `print`; it is kept in the record.",
}


def _is_near(name: str, known: str) -> bool:
    """Say whether a name is another one with a letter left out, added or mistaken."""
    shorter = {name[:at] + name[at + 1 :] for at in range(len(name))}
    longer = {known[:at] + known[at + 1 :] for at in range(len(known))}
    return min(len(name), len(known)) > 2 and (known in shorter or name in longer or bool(shorter & longer))


class SecurityError(Exception):
    """Code reached for something that it may not have; `CODE_SECURITY` when it is not caught."""


class Finding:
    """One thing that a check found; line and column count from 1."""

    __slots__ = ("code", "column", "line", "message", "severity", "suggestion")

    def __init__(self, code: str, message: str, node: ast.AST, suggestion: str = "") -> None:
        self.code = code
        self.message = message
        self.line = getattr(node, "lineno", 1)
        self.column = getattr(node, "col_offset", 0) + 1
        self.severity = "error"
        self.suggestion = suggestion


class Guard(ast.NodeTransformer):
    """Checks a syntax tree, and rewrites `.format` so that format fields are checked when it runs."""

    def __init__(self, allowed: Iterable[str]) -> None:
        self.allowed = frozenset(allowed)
        self.found: list[Finding] = []
        #: Names that stand for the standard library or a part of it.
        self.library = {"json"}

    def visit_Module(self, node: ast.Module) -> ast.AST:  # ast's naming
        for part in ast.walk(node):
            if isinstance(part, ast.Import | ast.ImportFrom):
                for alias in part.names:
                    module = alias.name if isinstance(part, ast.Import) else part.module or ""
                    if module.split(".")[0] in _OWN_KIND:
                        self.library.add(alias.asname or alias.name.split(".")[0])
        return self.generic_visit(node)

    def written(self, node: ast.Attribute | ast.Subscript) -> None:
        """Refuse to change what the library shares with later steps."""
        root: ast.AST = node
        while isinstance(root, ast.Attribute | ast.Subscript):
            root = root.value
        if not isinstance(node.ctx, ast.Load) and isinstance(root, ast.Name) and root.id in self.library:
            self.refuse(node, f"'{root.id}' belongs to the library and cannot be changed")

    def refuse(self, node: ast.AST, message: str, suggestion: str = "") -> None:
        self.found.append(Finding("CODE_SECURITY", message, node, suggestion))

    def name(self, node: ast.AST, name: str) -> None:
        if name in _NAMES or (name.startswith("__") and name.endswith("__") and name not in _DUNDERS):
            self.refuse(node, f"the name '{name}' is not allowed", _INSTEAD.get(name, ""))

    def attribute(self, node: ast.AST, name: str) -> None:
        if name in _FRAMES or (name.startswith("__") and name.endswith("__") and name not in _DUNDERS):
            self.refuse(node, f"the attribute '{name}' is not allowed")

    def module(self, node: ast.AST, name: str | None) -> None:
        if name in self.allowed:
            return
        top = (name or "").split(".")[0]
        if name is None or not name:
            self.refuse(node, "relative imports are not allowed")
        else:
            near = next((known for known in sorted(self.allowed) if _is_near(name, known)), None)
            hint = "Use a tool step for that." if top in _DANGEROUS else "List it under packages.additional."
            if near is not None:
                hint = f"Did you mean '{near}'?"
            self.refuse(node, f"the import of '{name}' is not allowed", hint)

    def visit_Import(self, node: ast.Import) -> ast.AST:  # ast's naming
        for alias in node.names:
            self.module(node, alias.name)
            self.name(node, alias.asname or alias.name.split(".")[0])
        return node

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST:  # ast's naming
        if node.module == "__future__":
            self.found.append(Finding("CODE_SYNTAX", "`from __future__` has no place in a step", node))
            return node
        self.module(node, None if node.level else node.module)
        for alias in node.names:
            if alias.name == "*":
                self.refuse(node, "`import *` is not allowed", "Name what you need.")
            elif alias.name.startswith("_"):
                self.refuse(node, f"the private name '{alias.name}' is not allowed")
            self.name(node, alias.asname or alias.name)
        return node

    def visit_Name(self, node: ast.Name) -> ast.AST:  # ast's naming
        self.name(node, node.id)
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:  # ast's naming
        self.written(node)
        self.generic_visit(node)
        self.attribute(node, node.attr)
        if node.attr in {"format", "format_map"} and isinstance(node.ctx, ast.Load):
            call = ast.Call(ast.Name("ael_format__", ast.Load()), [node.value, ast.Constant(node.attr)], [])
            return ast.fix_missing_locations(ast.copy_location(call, node))
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:  # ast's naming
        self.name(node, node.name)
        return self.generic_visit(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:  # ast's naming
        self.name(node, node.name)
        return self.generic_visit(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:  # ast's naming
        self.name(node, node.name)
        return self.generic_visit(node)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        self.name(node, node.arg)
        return self.generic_visit(node)

    def visit_MatchClass(self, node: ast.MatchClass) -> ast.AST:  # ast's naming
        for keyword in node.kwd_attrs:
            self.attribute(node, keyword)
            if keyword in {"format", "format_map"}:
                self.refuse(node, f"'{keyword}' has no place in a pattern")
        return self.generic_visit(node)

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:  # ast's naming
        self.written(node)
        return self.generic_visit(node)

    def _bound(self, node: Any) -> ast.AST:
        """Check the name that a pattern or a handler binds."""
        name = node.rest if isinstance(node, ast.MatchMapping) else node.name
        if name is not None:
            self.name(node, name)
        return self.generic_visit(node)

    visit_MatchAs = visit_MatchStar = visit_MatchMapping = visit_ExceptHandler = _bound  # noqa: N815 # ast's naming

    def visit_Global(self, node: ast.Global | ast.Nonlocal) -> ast.AST:  # ast's naming
        for name in node.names:
            self.name(node, name)
        return node

    visit_Nonlocal = visit_Global  # noqa: N815 # ast's naming


_DANGEROUS = frozenset(
    [
        "os",
        "sys",
        "subprocess",
        "socket",
        "shutil",
        "pathlib",
        "ctypes",
        "threading",
        "multiprocessing",
        "signal",
        "io",
        "tempfile",
        "glob",
        "http",
        "urllib",
        "requests",
        "httpx",
        "importlib",
        "builtins",
        "inspect",
        "gc",
        "types",
        "code",
        "marshal",
        "pickle",
    ]
)


# -- run time --------------------------------------------------------------------------------------------------------


def _harmless(name: object) -> str:
    # A subclass of str may say one thing to us and another to getattr.
    if type(name) is not str:
        raise SecurityError("the name of an attribute is a string, and no subclass of it")
    if name.startswith("_") or name in _FRAMES or name in {"format", "format_map"}:
        raise SecurityError(f"the attribute '{name}' is not allowed")
    return name


_MISSING = object()


def safe_getattr(subject: object, name: object, default: object = _MISSING) -> Any:
    """`getattr` for harmless names."""
    checked = _harmless(name)
    return getattr(subject, checked) if default is _MISSING else getattr(subject, checked, default)


def safe_hasattr(subject: object, name: object) -> bool:
    """`hasattr` for harmless names."""
    return hasattr(subject, _harmless(name))


def safe_setattr(subject: object, name: object, value: object) -> None:
    """`setattr` for harmless names."""
    setattr(subject, _harmless(name), value)


def safe_delattr(subject: object, name: object) -> None:
    """`delattr` for harmless names."""
    delattr(subject, _harmless(name))


def safe_type(*arguments: object) -> type:
    """`type` with one argument: classes are made by `class`."""
    if len(arguments) != 1:
        raise SecurityError("type() takes one argument here")
    kind = type(arguments[0])
    if issubclass(kind, type):
        raise SecurityError("type() of a class is not allowed")
    return kind


def safe_format(subject: Any, method: str) -> Any:
    """`str.format` and `format_map` whose fields reach only harmless attributes."""
    if type(method) is not str or method not in {"format", "format_map"}:
        raise SecurityError("this reaches for the guard itself")
    found = getattr(subject, method)
    # super().format has the string on the bound method alone.
    owner = getattr(found, "__self__", None)
    if isinstance(owner, str):
        subject = owner
    if isinstance(subject, type) and issubclass(subject, str):

        def unbound(template: Any, *args: object, **named: object) -> str:
            _check_fields(template)
            made: str = found(template, *args, **named)
            return made

        return unbound
    if not isinstance(subject, str):
        return found

    def checked(*args: object, **named: object) -> str:
        _check_fields(subject)
        made: str = found(*args, **named)
        return made

    return checked


def _check_fields(template: str) -> None:
    import _string  # type: ignore[import-not-found]  # the parser behind str.format has no stub

    for _, field, nested, _ in _string.formatter_parser(template):
        if field:
            _, rest = _string.formatter_field_name_split(field)
            for is_attribute, name in rest:
                if is_attribute:
                    _harmless(name)
        if nested:
            _check_fields(nested)


def _attrgetter(*names: str) -> Callable[[object], Any]:
    for name in names:
        if type(name) is not str:
            raise SecurityError("the name of an attribute is a string, and no subclass of it")
        for part in name.split("."):
            _harmless(part)
    getter = operator.attrgetter(*names)
    # The class of the getter itself would make one that nobody checked.
    return lambda subject: getter(subject)  # noqa: PLW0108 # see above


def _methodcaller(name: str, *args: object, **named: object) -> Callable[[object], Any]:
    caller = operator.methodcaller(_harmless(name), *args, **named)
    return lambda subject: caller(subject)  # noqa: PLW0108 # as with attrgetter


def _update_wrapper(wrapper: Any, wrapped: Any, *_: object, **__: object) -> Any:
    """`functools.update_wrapper` of what names a function, and nothing else."""
    for name in ("__name__", "__qualname__", "__doc__"):
        with contextlib.suppress(AttributeError, TypeError):
            setattr(wrapper, name, getattr(wrapped, name))
    return wrapper


def _wraps(wrapped: Any, *_: object, **__: object) -> Callable[[Any], Any]:
    return lambda wrapper: _update_wrapper(wrapper, wrapped)


# -- module facades --------------------------------------------------------------------------------------------------


class _FacadeType(type):
    """The class of module facades: attributes are read, never set."""

    def __setattr__(cls, name: str, value: object) -> None:
        raise AttributeError(f"module '{cls.__name__}' cannot be changed")

    def __delattr__(cls, name: str) -> None:
        raise AttributeError(f"module '{cls.__name__}' cannot be changed")

    def __repr__(cls) -> str:
        return f"<module '{cls.__name__}'>"


class Facades:
    """What `import` gives to code: the public names of allowed modules, nothing that leads elsewhere."""

    def __init__(self, allowed: Iterable[str], world: World) -> None:
        self._allowed = frozenset(allowed)
        self._world = world
        self._made: dict[str, Any] = {}

    def load(self) -> None:
        """Import every allowed module that is installed, and make its facade."""
        for name in sorted(self._allowed):
            try:
                importlib.import_module(name)
            except ImportError:
                continue
        for name in sorted(self._allowed, key=lambda name: -name.count(".")):
            if name in sys.modules:
                self.facade(name)

    def facade(self, name: str) -> Any:
        """Return the facade of a loaded module."""
        if name in self._made:
            return self._made[name]
        module = sys.modules[name]
        top = name.split(".", maxsplit=1)[0]
        if top not in _OWN_KIND:
            self._made[name] = module
            return module
        names = _PARTS.get(name) or dict.fromkeys(
            [*(getattr(module, "__all__", None) or ()), *(key for key in vars(module) if not key.startswith("_"))]
        )
        visible: dict[str, Any] = {}
        for key in names:
            value = getattr(module, key, _MISSING)
            if value is _MISSING or key in _HIDDEN.get(name, ()):
                continue
            if isinstance(value, type(sys)):
                if value.__name__ not in self._allowed or not value.__name__.startswith(f"{name}."):
                    continue
                value = self.facade(value.__name__)
            visible[key] = value
        visible |= self._world.replacements.get(name, {})
        for child in self._allowed:
            if child.startswith(f"{name}.") and child in sys.modules:
                visible[child[len(name) + 1 :]] = self.facade(child)
        visible.pop("__module__", None)
        self._made[name] = _FacadeType(name, (), {"__doc__": None, **visible})
        return self._made[name]

    def importer(
        self, name: str, _globals: object = None, _locals: object = None, names: Any = (), level: int = 0
    ) -> Any:
        """`__import__` of code; also called by C code through code's frame."""
        top = name.split(".", maxsplit=1)[0]
        if name not in self._allowed and top not in self._allowed - _OWN_KIND:
            if top in _INTERNAL and name in sys.modules and not level:
                return sys.modules[name] if names else sys.modules[top]
            raise SecurityError(f"the import of '{name}' is not allowed")
        if name not in sys.modules:
            raise ImportError(f"module '{name}' is not installed where AEL runs")
        if names:
            return self.facade(name)
        if top in self._allowed:
            return self.facade(top)
        # `import urllib.parse` of an allowed submodule: a facade of the package that has only that.
        parts = {child[len(top) + 1 :]: self.facade(child) for child in self._allowed if child.startswith(f"{top}.")}
        return self._made.setdefault(f"{top} (package)", _FacadeType(top, (), parts))


#: Top-level modules that get a facade; others (packages named in `additional`) are handed out as they are.
_OWN_KIND = frozenset(name.split(".")[0] for name in STANDARD)


# -- determinism -----------------------------------------------------------------------------------------------------


#: Readings of the real clock that are recorded of one attempt.
MAX_READINGS = 1000


class World:
    """Time and chance as code sees them: from the request, the same each time it is repeated."""

    def __init__(self) -> None:
        self.clock: float | None = None
        #: Of the real clock, in order; and those that a replay gives again, None where it is no replay.
        self.readings: list[float] = []
        self.recorded: list[float] | None = None
        self.clock_lost = False
        self.chance = real_random.Random(0)  # noqa: S311 # the randomness of code is to be repeatable
        self.replacements = self._replacements()

    def begin(self, seed: int, clock: float | None, recorded: list[float] | None) -> None:
        """Start an attempt: every generator from its seed, every reading of the clock `clock` (UTC seconds).

        Without `clock` the readings are real ones, or those `recorded`.
        """
        self.clock = clock
        self.readings, self.recorded, self.clock_lost = [], recorded, False
        self.chance.seed(seed)
        real_random.seed(self.chance.getrandbits(64))
        numpy = sys.modules.get("numpy")
        if numpy is not None:
            numpy.random.seed(self.chance.getrandbits(32))
            # Where default_rng(), SeedSequence() and every bit generator without a seed get theirs from.
            numpy.random.bit_generator.randbits = self.chance.getrandbits

    def now(self) -> float:
        if self.clock is not None:
            return self.clock
        reading = real_time.time()
        if self.recorded is not None and len(self.readings) < len(self.recorded):
            reading = self.recorded[len(self.readings)]
        if len(self.readings) < MAX_READINGS:
            self.readings.append(reading)
        else:
            self.clock_lost = True
        return reading

    def _uuid4(self) -> real_uuid.UUID:
        return real_uuid.UUID(bytes=self.chance.randbytes(16), version=4)

    def _getnode(self) -> int:
        # The multicast bit marks a number that is no hardware address (RFC 9562, 6.10).
        return self.chance.getrandbits(48) | (1 << 40)

    def _uuid1(self, node: int | None = None, clock_seq: int | None = None) -> real_uuid.UUID:
        moment = int(self.now() * 10_000_000) + 0x01B21DD213814000
        sequence = self.chance.getrandbits(14) if clock_seq is None else clock_seq & 0x3FFF
        fields = (
            moment & 0xFFFFFFFF,
            moment >> 32 & 0xFFFF,
            moment >> 48 & 0x0FFF,
            sequence >> 8 & 0x3F,
            sequence & 0xFF,
            self._getnode() if node is None else node,
        )
        return real_uuid.UUID(fields=fields, version=1)

    def _replacements(self) -> dict[str, dict[str, Any]]:
        world = self

        class Random(real_random.Random):
            def __init__(self, seed: Any = None) -> None:
                super().__init__(world.chance.getrandbits(64) if seed is None else seed)

            def seed(self, a: Any = None, version: int = 2) -> None:
                super().seed(world.chance.getrandbits(64) if a is None else a, version)

        def random_seed(a: Any = None, version: int = 2) -> None:
            real_random.seed(world.chance.getrandbits(64) if a is None else a, version)

        return {
            "random": {"Random": Random, "seed": random_seed},
            "uuid": {"uuid4": self._uuid4, "uuid1": self._uuid1, "getnode": self._getnode},
            "operator": {"attrgetter": _attrgetter, "methodcaller": _methodcaller},
            "functools": {"wraps": _wraps, "update_wrapper": _update_wrapper},
            "time": self._time(),
            "datetime": self._datetime(),
        }

    def _time(self) -> dict[str, Callable[..., Any]]:
        def moment(seconds: float | None) -> float:
            return self.now() if seconds is None else seconds

        def when(given: Any) -> Any:
            return real_time.gmtime(self.now()) if given is None else given

        return {
            "time": self.now,
            "time_ns": lambda: int(self.now() * 1_000_000_000),
            "localtime": lambda seconds=None: real_time.localtime(moment(seconds)),
            "gmtime": lambda seconds=None: real_time.gmtime(moment(seconds)),
            "ctime": lambda seconds=None: real_time.ctime(moment(seconds)),
            "asctime": lambda given=None: real_time.asctime(when(given)),
            "strftime": lambda form, given=None: real_time.strftime(form, when(given)),
        }

    def _datetime(self) -> dict[str, type]:
        world = self

        class DatetimeType(type):
            def __instancecheck__(cls, value: object) -> bool:
                return isinstance(value, real_datetime.datetime)

        class DateType(type):
            def __instancecheck__(cls, value: object) -> bool:
                return isinstance(value, real_datetime.date)

        class datetime(real_datetime.datetime, metaclass=DatetimeType):  # noqa: N801 # it stands for datetime.datetime
            @classmethod
            def now(cls, tz: real_datetime.tzinfo | None = None) -> Any:
                return cls.fromtimestamp(world.now(), tz)

            @classmethod
            def utcnow(cls) -> Any:
                return cls.fromtimestamp(world.now(), real_datetime.UTC).replace(tzinfo=None)

            @classmethod
            def today(cls) -> Any:
                return cls.fromtimestamp(world.now())

        class date(real_datetime.date, metaclass=DateType):  # noqa: N801 # it stands for datetime.date
            @classmethod
            def today(cls) -> Any:
                return cls.fromtimestamp(world.now())

        return {"datetime": datetime, "date": date}


# -- builtins --------------------------------------------------------------------------------------------------------

_SAFE = [
    "abs",
    "all",
    "any",
    "ascii",
    "bin",
    "bool",
    "bytes",
    "bytearray",
    "callable",
    "chr",
    "complex",
    "dict",
    "divmod",
    "enumerate",
    "filter",
    "float",
    "format",
    "frozenset",
    "hash",
    "hex",
    "id",
    "int",
    "isinstance",
    "issubclass",
    "iter",
    "len",
    "list",
    "map",
    "max",
    "min",
    "next",
    "object",
    "oct",
    "ord",
    "pow",
    "property",
    "range",
    "repr",
    "reversed",
    "round",
    "set",
    "slice",
    "sorted",
    "str",
    "sum",
    "super",
    "tuple",
    "zip",
    "staticmethod",
    "classmethod",
    "aiter",
    "anext",
    "True",
    "False",
    "None",
    "Ellipsis",
    "NotImplemented",
    "__build_class__",
]


def restricted_builtins(facades: Facades) -> dict[str, Any]:
    """Return the builtins of code."""
    table = {name: getattr(builtins, name) for name in _SAFE}
    table |= {
        name: value
        for name, value in vars(builtins).items()
        if isinstance(value, type) and issubclass(value, BaseException)
    }
    return table | {
        "__import__": facades.importer,
        "getattr": safe_getattr,
        "hasattr": safe_hasattr,
        "setattr": safe_setattr,
        "delattr": safe_delattr,
        "type": safe_type,
        "__name__": "step",
    }
