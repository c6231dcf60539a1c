"""From a file or a name to a plan: find, load, check the code in a child, plan, remember.

A plan is remembered by the digest of its file's text, so that a known workflow needs neither YAML nor Jinja2 nor a
compiler the next time. Raises `WorkflowNotFound`, `WorkflowInvalid` and its kin.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import msgspec

from ael.app.plan_cache import PlanCache
from ael.engine.engine import packages_of
from ael.errors import CircularDependency, Problem, WorkflowInvalid, WorkflowNotFound, did_you_mean
from ael.plan import CodeFacts, Plan
from ael.plan.places import problem_at, step_path
from ael.plan.planner import bind_blocks, make_plan
from ael.sandbox.contract import CodeSource, Sandbox
from ael.values import shortened
from ael.workflow.load import load_file
from ael.workflow.model import Definition, StepId, WorkflowStep

#: Of workflow files.
SUFFIXES = (".yaml", ".yml")
_NAME_LINE = re.compile(rb"^name:[ \t]*[\"']?([A-Za-z][A-Za-z0-9_-]{0,63})[\"']?[ \t]*(?:#.*)?\r?$", re.MULTILINE)
_NUMBER = re.compile(r"\d+")

#: Largest workflow file, bytes.
MAX_FILE = 1024 * 1024


class Prepared(msgspec.Struct, frozen=True, kw_only=True):
    """A workflow that is ready to run."""

    plan: Plan
    #: The file as it was found.
    file: str
    warnings: tuple[Problem, ...] = ()


#: Finds what `NAME` or `NAME@VERSION` means; raises `WorkflowNotFound`.
Registered = Callable[[str], Prepared]


class Definitions:
    """The workflows of this installation: registered directories, and files by path."""

    def __init__(
        self,
        directories: Iterable[Path],
        sandbox: Sandbox,
        cache: PlanCache,
        allowed_imports: tuple[str, ...] = (),
    ) -> None:
        #: The registered ones.
        self.directories = tuple(directories)
        self._sandbox = sandbox
        self._cache = cache
        self._allowed_imports = allowed_imports
        self._known: Registered | None = None

    def use(self, known: Registered | None) -> None:
        """Take registered workflows from what somebody keeps in memory, not from the directories."""
        self._known = known

    async def prepare(self, reference: str) -> Prepared:
        """Return the plan of a file path, a `NAME` or a `NAME@VERSION`, whose children were found to exist."""
        found = await (self.prepare_file(reference) if _looks_like_path(reference) else self._registered(reference))
        await self.check_children(found.plan)
        return found

    async def registered(self, reference: str) -> Plan:
        """Return the plan of a `NAME` or `NAME@VERSION`, never of a path: what workflow steps may name."""
        return (await self._registered(reference)).plan

    async def check_children(self, plan: Plan) -> None:
        """Follow the workflow steps of a plan; raises `CircularDependency` or `WorkflowInvalid` at their places."""
        await self._check_children(plan, [plan], set())

    async def _check_children(self, plan: Plan, trail: list[Plan], known: set[tuple[str, str]]) -> None:
        for step in plan.steps():
            if not isinstance(step, WorkflowStep):
                continue
            try:
                child = await self.registered(step.workflow)
            except WorkflowNotFound as error:
                message = f"step '{step.id}' runs workflow '{step.workflow}', but {error.detail}"
                raise WorkflowInvalid([_at_child(plan, step, message, error.suggestion)]) from error
            above = [_identity(one) for one in trail]
            if _identity(child) in above:
                names = [one.workflow.name for one in (*trail[above.index(_identity(child)) :], child)]
                message = f"workflow '{child.workflow.name}' runs itself: {' → '.join(names)}"
                raise CircularDependency([_at_child(plan, step, message, "Repeat with `foreach` instead.")])
            if _identity(child) not in known:
                await self._check_children(child, [*trail, child], known)
                known.add(_identity(child))

    def files(self) -> list[Path]:
        """Return every workflow file of the registered directories, sorted."""
        # One directory may lie in another.
        return sorted({Path(path) for directory in self.directories for path, _ in workflow_files(directory)})

    async def _registered(self, reference: str) -> Prepared:
        if self._known is not None:
            return self._known(reference)
        name, _, version = reference.partition("@")
        by_name = dict(self._names())
        candidates = [path for found, path in self._names() if found == name]
        prepared = [await self.prepare_file(str(path)) for path in candidates]
        _refuse_collisions(name, by_name)
        if version:
            prepared = [one for one in prepared if one.plan.workflow.version == version]
        if not prepared:
            where = ", ".join(str(path) for path in self.directories) or "no directory"
            known = dict.fromkeys(by_name)
            raise WorkflowNotFound(
                f"no file in {where} has the name '{shortened(name, 100)}'"
                + (f" and version '{shortened(version, 100)}'" if version else ""),
                suggestion=did_you_mean(name[:100], known, "workflow") or "Give the path of a file, or add one there.",
                workflow_id=reference,
            )
        versions = {one.plan.workflow.version for one in prepared}
        if len(versions) < len(prepared):
            files = " and ".join(sorted(one.file for one in prepared))
            raise WorkflowInvalid([Problem(message=f"{files} define '{name}' with the same version")])
        return max(prepared, key=lambda one: version_key(one.plan.workflow.version))

    def _names(self) -> Iterator[tuple[str, Path]]:
        for path in self.files():
            if name := name_in(str(path)):
                yield name, path

    async def prepare_file(self, path: str) -> Prepared:
        """Return the plan of one file, without a look at the workflows that its steps run."""
        if not _is_text(path):
            shown = path.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
            problem = Problem(message=f"the name of the file '{shown}' is not UTF-8", suggestion="Rename it.")
            raise WorkflowInvalid([problem])
        key, remembered = self._cache.find(path, self._allowed_imports)
        if remembered is not None:
            return Prepared(plan=remembered, file=path, warnings=remembered.warnings)
        loaded = load_file(path)
        plan = await self.plan(loaded.definition, loaded.warnings)
        if key is not None:
            self._cache.remember(key, plan)
        return Prepared(plan=plan, file=path, warnings=plan.warnings)

    async def plan(self, definition: Definition, warnings: tuple[Problem, ...] = ()) -> Plan:
        """Check the code of a definition in a throwaway child, and plan it; the plan carries all warnings."""
        blocks = bind_blocks(definition)
        facts: dict[StepId, CodeFacts] = {}
        if blocks:
            packages = packages_of(definition.workflow, self._allowed_imports)
            sources = [
                CodeSource(
                    step_id=step_id,
                    source=block.source,
                    placeholders=tuple(name for name, _ in block.placeholders),
                )
                for step_id, block in blocks.items()
            ]
            found = await self._sandbox.check(packages, sources)
            facts = dict(zip(blocks, found, strict=True))
        plan = make_plan(definition, blocks, facts)
        return msgspec.structs.replace(plan, warnings=(*warnings, *plan.warnings))


def _is_text(path: str) -> bool:
    """Return whether a path can be written into messages and records; Linux lets names be any bytes."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def workflow_files(directory: Path) -> Iterator[tuple[str, os.stat_result]]:
    """Yield the workflow files of a directory and of those in it, with their status.

    What is hidden (`.git`, the halves of a mounted ConfigMap) holds none, and links to directories are not followed.
    """
    # No recursion: directories may lie in each other deeper than Python's stack.
    waiting = [str(directory)]
    while waiting:
        for entry in _entries(waiting.pop()):
            if entry.name.startswith("."):
                continue
            try:
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
                elif entry.name.endswith(SUFFIXES) and entry.is_file():
                    yield entry.path, entry.stat()
            except OSError:
                # Gone between two calls, as files are while somebody saves them.
                continue


def _entries(directory: str) -> list[os.DirEntry[str]]:
    try:
        return list(os.scandir(directory))
    except OSError:
        # It cannot be read, or does not exist (yet): nothing in it is offered.
        return []


def name_in(path: str) -> str:
    """Return the name of the workflow in a file, as far as can be told without reading YAML; empty where it cannot."""
    try:
        if Path(path).stat().st_size > MAX_FILE:
            return ""
        match = _NAME_LINE.search(Path(path).read_bytes())
    except OSError:
        return ""
    return "" if match is None else match[1].decode()


def _identity(plan: Plan) -> tuple[str, str]:
    return plan.workflow.name, plan.workflow.version


def _at_child(plan: Plan, step: WorkflowStep, message: str, hint: str) -> Problem:
    where = f"{step_path(plan.workflow, step.id)}.workflow"
    return problem_at(plan.definition.source, where, step.workflow, 0, message, hint)


def _looks_like_path(reference: str) -> bool:
    return "/" in reference or "\\" in reference or reference.endswith(SUFFIXES) or os.path.exists(reference)  # noqa: PTH110 # what no file can be called is no error


def version_key(version: str) -> tuple[int, ...]:
    """Return a key that orders versions by their numbers."""
    return tuple(int(number) for number in _NUMBER.findall(version))


def _refuse_collisions(name: str, known: Iterable[str]) -> None:
    folded = name.casefold().replace("-", "_")
    same = sorted({other for other in known if other.casefold().replace("-", "_") == folded})
    if len(same) > 1:
        listed = " and ".join(f"'{other}'" for other in same)
        raise WorkflowInvalid(
            [Problem(message=f"{listed} differ only in case or - and _", suggestion="Rename one of them.")]
        )
