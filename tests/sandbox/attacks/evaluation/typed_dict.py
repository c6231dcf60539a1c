# guard: CODE_SECURITY|CODE_RUNTIME
# bare: CODE_SECURITY|CODE_RUNTIME
# what: the annotations of a TypedDict evaluated through typing
import typing
Made = typing.TypedDict("Made", {"x": "typing.Callable[[], len.__self__.open] and len.__self__.open"})
read = typing.get_type_hints(Made, {"typing": typing, "len": len})["x"]
return "ESCAPED " + read(inputs["file"]).read()
