"""ML tools: embeddings of texts, and how alike texts are, by a model that Ollama runs (its `/api/embed`)."""

from __future__ import annotations

import asyncio
import math
from typing import Any

from native_tools.environment import Environment
from native_tools.parameters import seconds, several, switch, whole
from native_tools.services import Service, ask
from native_tools.tool import READS_ELSEWHERE, Arguments, Result, Schema, Tool, ToolError, closed

_MODEL = "nomic-embed-text"
_PORT = 11434
_TIMEOUT = 25
_MOST_TEXTS = 1000
_LONGEST_TEXT = 1_000_000

Vector = list[float]


def service_of(environment: Environment) -> Service:
    """Return Ollama; OLLAMA_HOST may lack scheme and port, and name the address that it listens at."""
    host = environment.ollama_host.strip().rstrip("/")
    scheme, separator, rest = host.partition("://")
    if not separator:
        scheme, rest = "http", host
    authority, slash, path = rest.partition("/")
    if not separator and (":" not in authority or authority.endswith("]")):
        authority = f"{authority}:{_PORT}"
    if authority.startswith("0.0.0.0:"):
        authority = f"127.0.0.1:{authority.partition(':')[2]}"  # a server listens at all, a client connects to one
    return Service(name="Ollama", variable="OLLAMA_HOST", base_url=f"{scheme}://{authority}{slash}{path}")


def missing(environment: Environment) -> str:
    """Say what the tools need and do not have."""
    if not environment.ollama_host:
        return f"set OLLAMA_HOST to Ollama's address, like http://127.0.0.1:{_PORT}."
    return service_of(environment).problem()


async def _embed(arguments: Arguments, environment: Environment) -> Result:
    texts = _texts(arguments)
    vectors = await _vectors(texts, arguments, environment)
    return {
        "model": arguments.get("model", _MODEL),
        "count": len(vectors),
        "dimensions": len(vectors[0]),
        "embeddings": vectors,
    }


def _texts(arguments: Arguments) -> list[str]:
    if ("text" in arguments) == ("texts" in arguments):
        raise ToolError("give either `text` for one text, or `texts`.")
    return [arguments["text"]] if "text" in arguments else list(arguments["texts"])


async def _similarity(arguments: Arguments, environment: Environment) -> Result:
    texts = list(dict.fromkeys([arguments["text"], *arguments["candidates"]]))
    vectors = dict(zip(texts, await _vectors(texts, arguments, environment), strict=True))
    one = vectors[arguments["text"]]
    found = [_cosine(one, vectors[candidate]) for candidate in arguments["candidates"]]
    best = max(range(len(found)), key=found.__getitem__)
    return {
        "model": arguments.get("model", _MODEL),
        "similarities": found,
        "best": {"index": best, "text": arguments["candidates"][best], "similarity": found[best]},
    }


def _cosine(one: Vector, other: Vector) -> float:
    lengths = math.hypot(*one) * math.hypot(*other)
    if not lengths:
        return 0.0
    return max(-1.0, min(1.0, math.fsum(a * b for a, b in zip(one, other, strict=True)) / lengths))


async def _vectors(texts: list[str], arguments: Arguments, environment: Environment) -> list[Vector]:
    asked: dict[str, Any] = {"model": arguments.get("model", _MODEL), "input": texts}
    asked |= {name: arguments[name] for name in ("dimensions", "truncate") if name in arguments}
    service = service_of(environment)
    try:
        answer = await ask(service, environment, "/api/embed", asked, arguments.get("timeout", _TIMEOUT))
    except ToolError as error:
        if error.status == 404:
            raise ToolError(
                f"Ollama has no model '{asked['model']}'. Get it by: ollama pull {asked['model']}", status=404
            ) from error
        raise
    return await asyncio.to_thread(_checked, answer.get("embeddings"), len(texts))


def _checked(found: object, count: int) -> list[Vector]:
    """Return as many vectors as there were texts, all of one length; raises `ToolError`."""
    if not isinstance(found, list) or len(found) != count:
        raise ToolError(f"Ollama answered without one embedding for each of the {count} texts.")
    given = [vector if isinstance(vector, list) else [] for vector in found]
    vectors = [[float(number) for number in vector if isinstance(number, int | float)] for vector in given]
    if {len(vector) for vector in vectors} != {len(given[0])} or not given[0]:
        raise ToolError("Ollama answered with what is no embedding; is the model one for embeddings?")
    return vectors


_TEXT: Schema = {"type": "string", "minLength": 1, "maxLength": _LONGEST_TEXT}
_HOW: dict[str, Schema] = {
    "model": {
        "type": "string",
        "minLength": 1,
        "maxLength": 200,
        "default": _MODEL,
        "description": "A model for embeddings that Ollama has.",
    },
    "truncate": switch(True, "Whether texts too long for the model are cut; if not, they are errors."),
    "timeout": seconds(_TIMEOUT, 600, "Seconds to wait; the first call loads the model."),
}

EMBED = Tool(
    name="ml_embed_text",
    title="Embed texts",
    description="Turn texts into vectors whose directions tell what they mean, by a model that Ollama runs.",
    input_schema=closed(
        text={**_TEXT, "description": "A text."},
        texts=several(_TEXT, _MOST_TEXTS, "Several texts, instead of `text`."),
        dimensions=whole(1, 65536, "How long the vectors are to be, where the model can choose."),
        **_HOW,
    ),
    output_schema=closed(
        ("model", "count", "dimensions", "embeddings"),
        model={"type": "string", "description": "The model."},
        count={"type": "integer", "description": "How many texts there were."},
        dimensions={"type": "integer", "description": "How long the vectors are."},
        embeddings={
            "type": "array",
            "items": {"type": "array", "items": {"type": "number"}},
            "description": "A vector for each text, in their order.",
        },
    ),
    annotations=READS_ELSEWHERE,
    run=_embed,
    unavailable=missing,
)

SIMILARITY = Tool(
    name="ml_text_similarity",
    title="Compare texts",
    description="Say how alike a text and others are in what they mean: the cosine of their embeddings, -1 to 1.",
    input_schema=closed(
        ("text", "candidates"),
        text={**_TEXT, "description": "The text."},
        candidates=several(_TEXT, _MOST_TEXTS, "The texts that it is compared with."),
        **_HOW,
    ),
    output_schema=closed(
        ("model", "similarities", "best"),
        model={"type": "string", "description": "The model."},
        similarities={
            "type": "array",
            "items": {"type": "number"},
            "description": "How alike each candidate is, in their order.",
        },
        best={
            **closed(
                ("index", "text", "similarity"),
                index={"type": "integer", "description": "Its place among the candidates, from 0."},
                text={"type": "string", "description": "The candidate."},
                similarity={"type": "number", "description": "How alike it is."},
            ),
            "description": "The candidate that is most alike; the first of several.",
        },
    ),
    annotations=READS_ELSEWHERE,
    run=_similarity,
    unavailable=missing,
)

TOOLS = (EMBED, SIMILARITY)
