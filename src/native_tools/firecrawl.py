"""Firecrawl tools: the web searched, mapped, scraped and extracted by Firecrawl's HTTP API (version 2).

Firecrawl fetches pages from its own place; what it is asked for is judged by our policy before, as far as we see it.
"""

from __future__ import annotations

import asyncio
import re
from typing import Any

from native_tools.environment import Environment
from native_tools.excerpts import excerpt
from native_tools.network.settings import policy_of, resolver_of, unusable
from native_tools.network.urls import UrlInvalid, host_of, read_url
from native_tools.parameters import choice, seconds, several, switch, whole
from native_tools.services import Service, ask
from native_tools.tool import Arguments, Hints, Result, Schema, Tool, ToolError, closed

_CLOUD = "https://api.firecrawl.dev"
#: Seconds; a call of AEL's has 30 unless a step says otherwise, and ours are to end before, with a reason.
_TIMEOUT = 20
_EXTRACT_TIMEOUT = 25
#: Seconds between two looks at a job: the first, and the longest.
_FIRST_LOOK, _LONGEST_LOOK = 0.25, 5.0
#: Seconds that an answer may take beyond what Firecrawl was given.
_SLACK = 5.0
_MOST_URLS = 100

_GO_ON = "wait for it by another call, with"

_JOB = re.compile(r"[A-Za-z0-9-]{1,64}")
#: What Firecrawl calls a page's formats; ours are spelled like the rest of our names.
_FORMATS = {"markdown": "markdown", "html": "html", "raw_html": "rawHtml", "links": "links", "summary": "summary"}

#: Each call costs credits.
_COSTS = Hints(read_only_hint=True, destructive_hint=False, idempotent_hint=False, open_world_hint=True)


def service_of(environment: Environment) -> Service:
    """Return Firecrawl."""
    return Service(
        name="Firecrawl",
        variable="FIRECRAWL_BASE_URL",
        base_url=environment.firecrawl_base_url,
        key=environment.firecrawl_api_key,
    )


def missing(environment: Environment) -> str:
    """Say what the tools need and do not have: the cloud wants a key, an own server may do without."""
    if environment.firecrawl_base_url == _CLOUD and not environment.firecrawl_api_key:
        return "set FIRECRAWL_API_KEY, or FIRECRAWL_BASE_URL to a server of your own."
    return service_of(environment).problem() or unusable(environment)


async def _scrape(arguments: Arguments, environment: Environment) -> Result:
    await _judge([arguments["url"]], environment)
    limit = arguments.get("timeout", _TIMEOUT)
    asked: dict[str, Any] = {
        "url": arguments["url"],
        "formats": [_FORMATS[name] for name in arguments.get("formats", ["markdown"])],
        "onlyMainContent": arguments.get("only_main_content", True),
        "timeout": _milliseconds(limit),
    }
    if "wait_for" in arguments:
        asked["waitFor"] = _milliseconds(arguments["wait_for"])
    answer = await _asked(environment, "/v2/scrape", asked, limit)
    return {"url": arguments["url"], **_page(answer.get("data"))}


async def _search(arguments: Arguments, environment: Environment) -> Result:
    limit = arguments.get("timeout", _TIMEOUT)
    asked: dict[str, Any] = {
        "query": arguments["query"],
        "limit": arguments.get("limit", 5),
        "sources": arguments.get("sources", ["web"]),
        "timeout": _milliseconds(limit),
    }
    asked |= {name: arguments[name] for name in ("location",) if name in arguments}
    if arguments.get("scrape", False):
        asked["scrapeOptions"] = {"formats": ["markdown"]}
    answer = await _asked(environment, "/v2/search", asked, limit)
    data = answer.get("data")
    found = data if isinstance(data, dict) else {}
    results = [
        {"source": source, **_hit(one)}
        for source in ("web", "news", "images")
        for one in (found.get(source) or [])
        if isinstance(one, dict)
    ]
    return {"query": arguments["query"], "count": len(results), "results": results}


async def _map(arguments: Arguments, environment: Environment) -> Result:
    await _judge([arguments["url"]], environment)
    limit = arguments.get("timeout", _TIMEOUT)
    asked: dict[str, Any] = {
        "url": arguments["url"],
        "limit": arguments.get("limit", 1000),
        "includeSubdomains": arguments.get("include_subdomains", True),
        "sitemap": arguments.get("sitemap", "include"),
        "timeout": _milliseconds(limit),
    }
    asked |= {name: arguments[name] for name in ("search",) if name in arguments}
    answer = await _asked(environment, "/v2/map", asked, limit)
    links = [_hit(one if isinstance(one, dict) else {"url": one}) for one in answer.get("links") or []]
    return {"url": arguments["url"], "count": len(links), "links": links}


async def _extract(arguments: Arguments, environment: Environment) -> Result:
    clock = asyncio.get_running_loop().time
    deadline = clock() + arguments.get("timeout", _EXTRACT_TIMEOUT)
    job = arguments.get("job_id") or await _begin_extract(arguments, environment)
    pause = _FIRST_LOOK
    while True:
        answer = await _looked_at(job, environment, max(1.0, deadline - clock()))
        status = answer.get("status")
        if status == "completed":
            return {"job_id": job, "data": answer.get("data")}
        if status in {"failed", "cancelled"}:
            raise ToolError(f"Firecrawl's job {job} {status}: {_text(answer.get('error')) or 'it does not say why'}.")
        if clock() + pause > deadline:
            raise ToolError(f"Firecrawl's job {job} is not done in time; {_GO_ON} `job_id: {job}`.")
        await asyncio.sleep(pause)
        pause = min(2 * pause, _LONGEST_LOOK)


async def _looked_at(job: str, environment: Environment, limit: float) -> dict[str, Any]:
    try:
        return await _asked(environment, f"/v2/extract/{job}", None, limit)
    except ToolError as error:
        # Not retryable: the same call again would begin, and pay for, another job.
        raise ToolError(f"{error.message} The job goes on; {_GO_ON} `job_id: {job}`.", status=error.status) from error


async def _begin_extract(arguments: Arguments, environment: Environment) -> str:
    if "prompt" not in arguments and "schema" not in arguments:
        raise ToolError("say what to extract, by `prompt` or `schema` or both.")
    if not arguments.get("urls"):
        raise ToolError("say where to extract from, by `urls`.")
    await _judge(arguments["urls"], environment)
    asked: dict[str, Any] = {"urls": arguments["urls"], "enableWebSearch": arguments.get("web_search", False)}
    asked |= {name: arguments[name] for name in ("prompt", "schema") if name in arguments}
    job = (await _asked(environment, "/v2/extract", asked, _TIMEOUT)).get("id")
    if not isinstance(job, str) or not _JOB.fullmatch(job):
        raise ToolError("Firecrawl answered without the id of a job.")
    return job


async def _asked(environment: Environment, path: str, body: dict[str, Any] | None, limit: float) -> dict[str, Any]:
    answer = await ask(service_of(environment), environment, path, body, limit + _SLACK)
    if answer.get("success") is False and "status" not in answer:
        raise ToolError(f"Firecrawl refused: {_text(answer.get('error')) or 'it does not say why'}.")
    return answer


async def _judge(urls: list[str], environment: Environment) -> None:
    """Refuse URLs that http_request would refuse; raises `ToolError`."""
    from native_tools.network.connections import judge  # noqa: PLC0415 # the client costs 0.2 s to import
    from native_tools.network.names import NameUnknown  # noqa: PLC0415 # as above
    from native_tools.network.policy import Refused  # noqa: PLC0415 # as above

    policy, resolver = policy_of(environment), resolver_of(environment)
    try:
        for url in urls:
            target = read_url(url)
            await judge(policy, resolver, host_of(target), target.port)
    except (UrlInvalid, Refused) as error:
        raise ToolError(f"{error}.") from error
    except NameUnknown as error:
        raise ToolError(f"{error}.", retryable=error.retryable) from error


def _page(data: object) -> dict[str, Any]:
    found = data if isinstance(data, dict) else {}
    page: dict[str, Any] = {ours: found[theirs] for ours, theirs in _FORMATS.items() if found.get(theirs) is not None}
    metadata = found.get("metadata")
    return {**page, "metadata": metadata if isinstance(metadata, dict) else {}}


def _hit(found: dict[str, Any]) -> dict[str, Any]:
    made = {"url": _text(found.get("url") or found.get("imageUrl"))}
    title = found.get("title")
    description = found.get("description") or found.get("snippet")
    made |= {name: _text(value) for name, value in (("title", title), ("description", description)) if value}
    if isinstance(found.get("markdown"), str):
        made["markdown"] = found["markdown"]
    return made


def _text(value: object) -> str:
    return excerpt(" ".join(str(value).split()), 2000) if value else ""


def _milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000))


_URL: Schema = {"type": "string", "minLength": 1, "maxLength": 16_384}
_WITHIN: Schema = seconds(_TIMEOUT, 300, "Seconds that Firecrawl may take.", least=1)
_HIT: dict[str, Schema] = {
    "url": {"type": "string", "description": "Its URL."},
    "title": {"type": "string", "description": "Its title."},
    "description": {"type": "string", "description": "What it is about."},
}

SEARCH = Tool(
    name="firecrawl_search",
    title="Search the web",
    description="Search the web by Firecrawl; with `scrape`, each result comes with its page as Markdown.",
    input_schema=closed(
        ("query",),
        query={"type": "string", "minLength": 1, "maxLength": 500, "description": "What to search for."},
        limit=whole(1, 100, "How many at most.", default=5),
        sources={
            "type": "array",
            "minItems": 1,
            "uniqueItems": True,
            "items": {"enum": ["web", "news", "images"]},
            "default": ["web"],
            "description": "Where to search.",
        },
        location={"type": "string", "minLength": 1, "description": "A country or place to search for, like Germany."},
        scrape=switch(False, "Whether the pages are scraped too; costs more."),
        timeout=_WITHIN,
    ),
    output_schema=closed(
        ("query", "count", "results"),
        query={"type": "string", "description": "What was searched for."},
        count={"type": "integer", "description": "How many results there are."},
        results={
            "type": "array",
            "description": "The results, the best first, by source.",
            "items": closed(
                ("source", "url"),
                source={"enum": ["web", "news", "images"], "description": "Where it was found."},
                markdown={"type": "string", "description": "The page as Markdown."},
                **_HIT,
            ),
        },
    ),
    annotations=_COSTS,
    run=_search,
    unavailable=missing,
)

MAP = Tool(
    name="firecrawl_map",
    title="Map a site",
    description="List the URLs of a site by Firecrawl.",
    input_schema=closed(
        ("url",),
        url={**_URL, "description": "Where to begin."},
        search={
            "type": "string",
            "minLength": 1,
            "description": "Only URLs that have to do with this, the best first.",
        },
        limit=whole(1, 30000, "How many at most.", default=1000),
        include_subdomains=switch(True, "Whether subdomains belong to it."),
        sitemap=choice(("include", "only", "skip"), "include", "Whether the site's own map is used."),
        timeout=_WITHIN,
    ),
    output_schema=closed(
        ("url", "count", "links"),
        url={"type": "string", "description": "Where it began."},
        count={"type": "integer", "description": "How many URLs were found."},
        links={"type": "array", "items": closed(("url",), **_HIT), "description": "The URLs."},
    ),
    annotations=_COSTS,
    run=_map,
    unavailable=missing,
)

SCRAPE = Tool(
    name="firecrawl_scrape",
    title="Scrape a page",
    description="Fetch a page by Firecrawl, which runs its scripts, and return it as Markdown or in other formats.",
    input_schema=closed(
        ("url",),
        url={**_URL, "description": "The page's URL."},
        formats={
            "type": "array",
            "minItems": 1,
            "uniqueItems": True,
            "items": {"enum": list(_FORMATS)},
            "default": ["markdown"],
            "description": "What to return.",
        },
        only_main_content=switch(True, "Whether navigation, headers and footers are left out."),
        wait_for={
            "type": "number",
            "minimum": 0,
            "maximum": 60,
            "description": "Seconds to let the page's scripts run besides.",
        },
        timeout=_WITHIN,
    ),
    output_schema=closed(
        ("url", "metadata"),
        url={"type": "string", "description": "The page's URL."},
        markdown={"type": "string", "description": "The page as Markdown."},
        html={"type": "string", "description": "The page as clean HTML."},
        raw_html={"type": "string", "description": "The page as it came."},
        links={"type": "array", "items": {"type": "string"}, "description": "The URLs that it links to."},
        summary={"type": "string", "description": "What it says, in short."},
        metadata={"type": "object", "description": "What Firecrawl says about it: title, language, status and more."},
    ),
    annotations=_COSTS,
    run=_scrape,
    unavailable=missing,
)

EXTRACT = Tool(
    name="firecrawl_extract",
    title="Extract data from pages",
    description=(
        "Extract data from pages by Firecrawl, as a prompt or a JSON Schema says. It takes a while: a call that runs "
        "out of time names its job, and another call with `job_id` goes on waiting for it."
    ),
    input_schema=closed(
        urls=several(_URL, _MOST_URLS, "The pages; `/*` at the end of one means all below it."),
        prompt={"type": "string", "minLength": 1, "description": "What to extract, in words."},
        schema={"type": "object", "description": "What to extract, as a JSON Schema."},
        web_search=switch(False, "Whether the web may be searched besides."),
        job_id={"type": "string", "pattern": f"^{_JOB.pattern}$", "description": "A job that was begun before."},
        timeout=seconds(
            _EXTRACT_TIMEOUT,
            1800,
            "Seconds to wait for the job; a step that waits longer needs a longer `timeout` of its own.",
            least=1,
        ),
    ),
    output_schema=closed(
        ("job_id", "data"),
        job_id={"type": "string", "description": "Firecrawl's name for the job."},
        data={"description": "What was extracted, as the schema or the prompt wants it."},
    ),
    annotations=_COSTS,
    run=_extract,
    unavailable=missing,
)

TOOLS = (SEARCH, MAP, SCRAPE, EXTRACT)
