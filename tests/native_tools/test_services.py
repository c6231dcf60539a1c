"""Firecrawl and ML tools against servers on loopback that speak the documented HTTP interfaces of both."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from native_tools.environment import Environment
from native_tools.ml import service_of
from native_tools.server import NativeTools
from native_tools.tool import ToolError
from tests.native_tools.conftest import calls, failing
from tests.native_tools.sites import Asked, Handler, Records, answer, site, zone

NAMES: Records = {("public.test", "A"): [["1.1.1.1"]], ("private.test", "A"): [["10.0.0.1"]]}


def reaching(**variables: Any) -> Any:
    return calls(NativeTools(Environment(workspace=Path(), **variables)))


async def refused(call: Any, tool: str, **params: Any) -> ToolError:
    with pytest.raises(ToolError) as caught:
        await call(tool, **params)
    return caught.value


def says(make: Callable[[Any], Any], status: int = 200) -> Handler:
    """Answer in JSON what `make` makes of the request's body."""

    async def handle(asked: Asked, writer: asyncio.StreamWriter) -> None:
        found = json.loads(asked.body) if asked.body else None
        writer.write(answer(json.dumps(make(found)), status, content_type="application/json"))
        await writer.drain()

    return handle


def embedding(text: str) -> list[float]:
    """Count letters: alike for texts of the same letters."""
    return [float(text.count(letter)) for letter in "abcdef"]


OLLAMA: dict[str, bytes | Handler] = {
    "/api/embed": says(
        lambda asked: {
            "model": asked["model"],
            "embeddings": [embedding(text)[: asked.get("dimensions", 6)] for text in asked["input"]],
            "total_duration": 14143917,
            "load_duration": 1019500,
            "prompt_eval_count": 8,
        }
    )
}


async def test_texts_are_embedded_in_their_order() -> None:
    async with site(OLLAMA) as web:
        call = reaching(ollama_host=web.url(""))
        found = await call("ml_embed_text", texts=["ab", "c"], model="counts", truncate=False)
        assert found == {
            "model": "counts",
            "count": 2,
            "dimensions": 6,
            "embeddings": [[1, 1, 0, 0, 0, 0], [0, 0, 1, 0, 0, 0]],
        }
        one = await call("ml_embed_text", text="ab", dimensions=3)
        assert (one["embeddings"], one["dimensions"]) == ([[1, 1, 0]], 3)
    assert json.loads(web.asked[0].body) == {"model": "counts", "input": ["ab", "c"], "truncate": False}
    assert json.loads(web.asked[1].body)["model"] == "nomic-embed-text"


async def test_texts_are_compared_by_what_they_mean() -> None:
    async with site(OLLAMA) as web:
        call = reaching(ollama_host=web.url(""))
        found = await call("ml_text_similarity", text="abc", candidates=["def", "cab", "ab", "abc", "x"])
    assert found["similarities"] == pytest.approx([0, 1, 2 / 6**0.5, 1, 0])
    assert (found["best"]["index"], found["best"]["text"]) == (1, "cab")
    assert len(web.asked) == 1


@pytest.mark.parametrize(
    ("status", "said", "why", "again"),
    [
        (404, {"error": 'model "x" not found, try pulling it first'}, "ollama pull nomic-embed-text", False),
        (400, {"error": "input length exceeds the context length"}, "HTTP status 400: input length", False),
        (500, {"error": "busy"}, "HTTP status 500: busy", True),
        (200, {"embeddings": []}, "one embedding for each", False),
        (200, {"embeddings": [[]]}, "no embedding", False),
        (200, {"embeddings": [["x"]]}, "no embedding", False),
        (200, {"embeddings": ["x"]}, "no embedding", False),
        (200, {"embeddings": [None]}, "no embedding", False),
        (200, ["x"], "no JSON object; is OLLAMA_HOST right?", False),
    ],
)
async def test_what_ollama_cannot_do_is_told(status, said, why, again) -> None:
    async with site({"/api/embed": says(lambda _: said, status)}) as web:
        error = await refused(reaching(ollama_host=web.url("")), "ml_embed_text", text="a")
    assert why in error.message
    assert error.retryable == again


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:11434"),
        ("0.0.0.0", "http://127.0.0.1:11434"),
        ("0.0.0.0:8000", "http://127.0.0.1:8000"),
        ("ollama:8000", "http://ollama:8000"),
        ("[::1]", "http://[::1]:11434"),
        ("https://ollama.test/", "https://ollama.test"),
        ("http://host/prefix/", "http://host/prefix"),
    ],
)
def test_ollama_is_found_as_ollama_itself_is_told(host, url) -> None:
    assert service_of(Environment(workspace=Path(), ollama_host=host)).base_url == url


PAGE = {
    "markdown": "# Title",
    "rawHtml": "<h1>Title</h1>",
    "links": ["https://public.test/a"],
    "metadata": {"title": "Title", "statusCode": 200},
}


async def test_a_page_is_scraped_in_the_formats_asked_for() -> None:
    pages = {"/v2/scrape": says(lambda _: {"success": True, "data": PAGE})}
    async with site(pages) as web, zone(NAMES) as names:
        call = reaching(firecrawl_base_url=web.url(""), firecrawl_api_key="fc-key", nameservers=(names.address,))
        found = await call(
            "firecrawl_scrape",
            url="https://public.test/page",
            formats=["markdown", "raw_html", "links"],
            only_main_content=False,
            wait_for=1.5,
            timeout=20,
        )
    assert found == {
        "url": "https://public.test/page",
        "markdown": "# Title",
        "raw_html": "<h1>Title</h1>",
        "links": ["https://public.test/a"],
        "metadata": {"title": "Title", "statusCode": 200},
    }
    (asked,) = web.asked
    assert asked.headers["authorization"] == "Bearer fc-key"
    assert json.loads(asked.body) == {
        "url": "https://public.test/page",
        "formats": ["markdown", "rawHtml", "links"],
        "onlyMainContent": False,
        "waitFor": 1500,
        "timeout": 20000,
    }


async def test_the_web_is_searched() -> None:
    found_by_firecrawl = {
        "web": [{"url": "https://a.test", "title": "A", "description": "about a", "markdown": "# A"}],
        "news": [{"url": "https://n.test", "title": "N", "snippet": "news", "date": "today"}],
        "images": [{"imageUrl": "https://i.test/i.png", "imageWidth": 3}],
    }
    pages = {"/v2/search": says(lambda _: {"success": True, "data": found_by_firecrawl})}
    async with site(pages) as web:
        call = reaching(firecrawl_base_url=web.url(""))
        found = await call(
            "firecrawl_search", query="a", limit=3, sources=["web", "news"], location="Austria", scrape=True
        )
    assert found == {
        "query": "a",
        "count": 3,
        "results": [
            {"source": "web", "url": "https://a.test", "title": "A", "description": "about a", "markdown": "# A"},
            {"source": "news", "url": "https://n.test", "title": "N", "description": "news"},
            {"source": "images", "url": "https://i.test/i.png"},
        ],
    }
    assert json.loads(web.asked[0].body) == {
        "query": "a",
        "limit": 3,
        "sources": ["web", "news"],
        "location": "Austria",
        "scrapeOptions": {"formats": ["markdown"]},
        "timeout": 20000,
    }
    assert "authorization" not in web.asked[0].headers


async def test_a_site_is_mapped() -> None:
    links = [{"url": "https://public.test/a", "title": "A"}, {"url": "https://public.test/b"}]
    pages = {"/v2/map": says(lambda _: {"success": True, "id": "1", "links": links})}
    async with site(pages) as web, zone(NAMES) as names:
        call = reaching(firecrawl_base_url=web.url("/"), nameservers=(names.address,))
        found = await call("firecrawl_map", url="https://public.test", search="docs", limit=10, sitemap="only")
    assert found == {"url": "https://public.test", "count": 2, "links": links}
    assert json.loads(web.asked[0].body)["sitemap"] == "only"


def extracting(*states: dict[str, Any]) -> dict[str, bytes | Handler]:
    successive = iter(states)
    return {
        "/v2/extract": says(lambda _: {"success": True, "id": "job-1", "urlTrace": []}),
        "/v2/extract/job-1": says(lambda _: next(successive)),
    }


async def test_data_is_extracted_by_a_job_that_is_waited_for() -> None:
    running = {"success": True, "data": [], "status": "processing"}
    done = {"success": True, "data": {"names": ["Ada"]}, "status": "completed"}
    async with site(extracting(running, running, done)) as web, zone(NAMES) as names:
        call = reaching(firecrawl_base_url=web.url(""), nameservers=(names.address,))
        found = await call(
            "firecrawl_extract", urls=["https://public.test/*"], prompt="names", schema={"type": "object"}
        )
    assert found == {"job_id": "job-1", "data": {"names": ["Ada"]}}
    assert [asked.method for asked in web.asked] == ["POST", "GET", "GET", "GET"]
    assert json.loads(web.asked[0].body) == {
        "urls": ["https://public.test/*"],
        "prompt": "names",
        "schema": {"type": "object"},
        "enableWebSearch": False,
    }


async def test_a_job_that_takes_longer_is_gone_back_to() -> None:
    running = {"success": True, "data": [], "status": "processing"}
    done = {"success": True, "data": 1, "status": "completed"}
    async with site(extracting(*[running] * 3, done)) as web, zone(NAMES) as names:
        call = reaching(firecrawl_base_url=web.url(""), nameservers=(names.address,))
        error = await refused(call, "firecrawl_extract", urls=["https://public.test"], prompt="x", timeout=1)
        assert "`job_id: job-1`" in error.message
        assert (await call("firecrawl_extract", job_id="job-1"))["data"] == 1
        assert [asked.method for asked in web.asked].count("POST") == 1


async def test_a_job_that_cannot_be_looked_at_is_not_begun_again() -> None:
    begun = says(lambda _: {"success": True, "id": "job-1"})
    pages: dict[str, bytes | Handler] = {"/v2/extract": begun, "/v2/extract/job-1": answer("busy", 503)}
    async with site(pages) as web, zone(NAMES) as names:
        call = reaching(firecrawl_base_url=web.url(""), nameservers=(names.address,))
        error = await refused(call, "firecrawl_extract", urls=["https://public.test"], prompt="x")
    assert "HTTP status 503: busy. The job goes on; " in error.message
    assert "`job_id: job-1`" in error.message
    assert not error.retryable


@pytest.mark.parametrize(
    ("state", "why"),
    [
        ({"success": False, "data": [], "status": "failed", "error": "no credits"}, "job-1 failed: no credits"),
        ({"success": True, "status": "cancelled"}, "job-1 cancelled: it does not say why"),
    ],
)
async def test_a_job_that_failed_says_why(state, why) -> None:
    async with site(extracting(state)) as web, zone(NAMES) as names:
        call = reaching(firecrawl_base_url=web.url(""), nameservers=(names.address,))
        error = await refused(call, "firecrawl_extract", urls=["https://public.test"], prompt="x")
    assert why in error.message
    assert not error.retryable


@pytest.mark.parametrize(
    ("status", "said", "why", "again"),
    [
        (402, {"success": False, "error": "Insufficient credits"}, "HTTP status 402: Insufficient credits", False),
        (429, {"success": False, "error": "Rate limit"}, "HTTP status 429", True),
        (200, {"success": False, "error": "blocked"}, "Firecrawl refused: blocked", False),
    ],
)
async def test_what_firecrawl_refuses_is_told(status, said, why, again) -> None:
    async with site({"/v2/search": says(lambda _: said, status)}) as web:
        error = await refused(reaching(firecrawl_base_url=web.url("")), "firecrawl_search", query="x")
    assert why in error.message
    assert error.retryable == again


@pytest.mark.parametrize(
    ("tool", "params", "why"),
    [
        ("firecrawl_scrape", {"url": "http://169.254.169.254/"}, "metadata"),
        ("firecrawl_scrape", {"url": "http://private.test/"}, "10.0.0.1, which is not public"),
        ("firecrawl_scrape", {"url": "file:///etc/passwd"}, "http"),
        ("firecrawl_map", {"url": "http://localhost/"}, "name of this machine"),
        ("firecrawl_extract", {"urls": ["https://public.test", "http://[::1]/"], "prompt": "x"}, "loopback"),
        ("firecrawl_extract", {"urls": ["https://public.test"]}, "`prompt`"),
        ("firecrawl_extract", {"prompt": "x"}, "`urls`"),
        ("firecrawl_extract", {"job_id": "../v1/x"}, "job_id"),
    ],
)
async def test_firecrawl_is_not_asked_for_what_may_not_be_reached(tool, params, why) -> None:
    async with site({}) as web, zone(NAMES) as names:
        call = reaching(firecrawl_base_url=web.url(""), nameservers=(names.address,))
        assert why in (await refused(call, tool, **params)).message
        assert web.asked == []


async def test_a_service_is_told_once_and_leads_nowhere_else() -> None:
    async with site({"/api/embed": answer("", 307, location="http://127.0.0.1:1/")}) as web:
        error = await refused(reaching(ollama_host=web.url("")), "ml_embed_text", text="a")
    assert "HTTP status 307" in error.message


async def test_a_tool_without_its_service_says_what_to_set() -> None:
    call = reaching()
    for tool, params, variable in (
        ("ml_embed_text", {"text": "a"}, "OLLAMA_HOST"),
        ("ml_text_similarity", {"text": "a", "candidates": ["b"]}, "OLLAMA_HOST"),
        ("firecrawl_search", {"query": "a"}, "FIRECRAWL_API_KEY"),
        ("kafka_list_topics", {}, "KAFKA_BOOTSTRAP_SERVERS"),
    ):
        error = await refused(call, tool, **params)
        assert f"{tool} is unavailable: " in error.message
        assert variable in error.message or "ael[kafka]" in error.message
    wrong = reaching(ollama_host="http://user@host/", firecrawl_base_url="nonsense")
    assert "OLLAMA_HOST is not usable" in (await refused(wrong, "ml_embed_text", text="a")).message
    assert "FIRECRAWL_BASE_URL is not usable" in (await refused(wrong, "firecrawl_search", query="a")).message


async def test_through_the_server_services_are_asked(native) -> None:
    pages = {**OLLAMA, "/v2/search": says(lambda _: {"success": True, "data": {"web": []}})}
    async with site(pages) as web:
        call = native(OLLAMA_HOST=web.url(""), FIRECRAWL_BASE_URL=web.url(""))
        assert (await call("ml_embed_text", text="a"))["embeddings"] == [[1, 0, 0, 0, 0, 0]]
        assert (await call("firecrawl_search", query="a"))["count"] == 0
        error = await failing(call, "firecrawl_map", url=web.url("/"))
        assert "security.allowed_hosts" in error.detail
