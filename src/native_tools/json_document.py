"""JSON: values by JMESPath. For `extractor` only: a path may take for ever."""

from __future__ import annotations

from typing import Any

import jmespath
import msgspec
from jmespath.exceptions import JMESPathError

from native_tools.extractor import Answer, Request, Unreadable
from native_tools.fields import Field, extract, typed


def extract_fields(request: Request) -> Answer:
    """Return `{data, missing}` (see `fields.extract`)."""
    try:
        document = msgspec.json.decode(request["data"])
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise Unreadable(f"the document is not JSON: {error}") from error
    paths: dict[str, Any] = {}

    def look(value: Any, path: str) -> Any:  # noqa: ANN401 # any JSON
        try:
            if path not in paths:
                paths[path] = jmespath.compile(path)
            return paths[path].search(value)
        except (JMESPathError, ValueError) as error:
            raise Unreadable(f"'{path}' is no path (JMESPath), or fits no such value: {error}") from error

    def values(place: Any, field: Field) -> list[Any]:  # noqa: ANN401 # any JSON
        if field.attribute is not None or field.type == "html":
            raise Unreadable("`attribute` and `type: html` are for HTML; a path names members of objects itself.")
        found = look(place, field.select)
        several = _several(found) if field.all else [] if found is None else [found]
        return [typed(one, field) if isinstance(one, str) else one for one in several]

    return extract(request, document, lambda place, path: _several(look(place, path)), values)


def _several(found: Any) -> list[Any]:  # noqa: ANN401 # any JSON
    return found if isinstance(found, list) else [] if found is None else [found]
