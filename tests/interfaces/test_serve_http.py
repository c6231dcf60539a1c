"""`ael serve --transport http`: who is let in, how much is taken, what is refused before it starts."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import subprocess
from typing import Any

import httpx2
import pytest

from ael.interfaces.http.guard import Guard

ACCEPT = {"Accept": "application/json, text/event-stream"}
HELLO = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}},
}


async def _nothing(*_: object) -> None:
    raise AssertionError


@pytest.mark.parametrize(
    ("host", "origin", "allowed"),
    [
        ("127.0.0.1:8080", None, True),
        ("localhost:8080", "http://localhost:3000", True),
        ("[::1]:8080", "http://127.0.0.1", True),
        ("192.168.1.5:8080", None, True),
        ("192.168.1.5:8080", "http://192.168.1.5:8080", True),
        ("ael.internal", "https://ael.internal", True),
        ("evil.example", None, False),
        ("", None, False),
        ("127.0.0.1.evil.example", None, False),
        ("localhost.evil.example:8080", None, False),
        ("localhost:8080", "http://evil.example", False),
        ("localhost:8080", "null", False),
        ("192.168.1.5:8080", "http://localhost:3000", False),
        ("192.168.1.5:8080", "http://192.168.1.6", False),
    ],
)
def test_requests_are_let_in_by_host_and_origin(host: str, origin: str | None, allowed: bool) -> None:
    guard = Guard(_nothing, ["ael.internal"], "presence")
    headers = {b"host": host.encode()} | ({b"origin": origin.encode()} if origin is not None else {})
    assert (guard.refusal(headers) == "") is allowed


async def test_strangers_and_floods_are_refused_and_large_arguments_pass(project) -> None:
    project.write(
        "size.yaml",
        "name: size\nversion: 1\ninputs: [who]\nsteps: [{id: a, wait: {seconds: 0}}]\n"
        'output: "{{ inputs.who | length }}"\n',
    )
    async with (
        project.over_http("--allow-host", "ael.test") as url,
        httpx2.AsyncClient(headers=ACCEPT, timeout=60) as client,
    ):
        for headers in ({"Host": "evil.example"}, {"Origin": "http://evil.example"}):
            for path in (url, url.replace("/mcp", "/health"), url.replace("/mcp", "/nothing")):
                refused = await client.post(path, json=HELLO, headers=headers)
                assert refused.status_code == 403
                assert "error" in refused.json()
        health = await client.get(url.replace("/mcp", "/health"), headers={"Host": "ael.test"})
        assert health.json()["status"] == "ok"
        assert (await client.get(url.replace("/mcp", "/nothing"))).status_code == 404

        flood = await client.post(url, content=b"[" * (9 * 1024 * 1024), headers={"Content-Type": "application/json"})
        assert flood.status_code == 413
        broken = await client.post(url, content=b"{nothing", headers={"Content-Type": "application/json"})
        assert broken.status_code == 400
        assert broken.json()["error"]["code"] == -32700
        lost = await client.post(url, json={**HELLO, "method": "tools/list"}, headers={"Mcp-Session-Id": "none"})
        assert lost.status_code == 404

    async with project.client("modern", "http") as client:
        who = "x" * (4 * 1024 * 1024)
        result = await client.call_tool("workflow:size", {"who": who})
        assert result.structured_content == {"result": len(who)}
        # Code is for those who have shown who they are.
        with pytest.raises(Exception, match="Unknown tool: python_exec"):
            await client.call_tool("python_exec", {"code": "return 1"})
    assert "python_exec is not offered over HTTP" in project.errors


UPGRADE = (
    b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: upgrade, close\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


@pytest.mark.parametrize(
    ("sent", "status"),
    [(UPGRADE, b"200"), (UPGRADE.replace(b"localhost", b"evil.example"), b"403"), (b"\x00\r\n\r\n", b"400")],
    ids=["upgrade", "upgrade of a stranger", "garbage"],
)
async def test_what_is_no_plain_request_is_none_of_anybodys_libraries(project, sent: bytes, status: bytes) -> None:
    async with project.over_http() as url:
        reader, writer = await asyncio.open_connection("127.0.0.1", httpx2.URL(url).port)
        writer.write(sent)
        assert (await reader.read()).split()[1] == status
        writer.close()
    # Strangers fill no log.
    assert "WARNING" not in project.errors
    assert "uvicorn" not in project.errors


async def test_a_client_that_never_reads_disturbs_nobody(project) -> None:
    project.write("big.yaml", project.quick.replace("quick", "big").replace("hello", "x" * 100_000))
    async with project.over_http() as url:
        port = int(url.rsplit(":", 1)[1].split("/")[0])
        envelope = {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
        }
        params = {"name": "workflow:big", "arguments": {}, "_meta": envelope}
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params})
        request = (
            f"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nMCP-Protocol-Version: 2026-07-28\r\n"
            f"Mcp-Method: tools/call\r\nMcp-Name: workflow:big\r\n"
            f"Accept: application/json, text/event-stream\r\nContent-Length: {len(body)}\r\n\r\n{body}"
        )
        silent = [socket.create_connection(("127.0.0.1", port)) for _ in range(20)]
        for one in silent:
            for _ in range(50):
                one.sendall(request.encode())
        async with httpx2.AsyncClient(timeout=60) as client:
            health = await client.get(url.replace("/mcp", "/health"))
            assert health.status_code == 200
        for one in silent:
            one.close()


async def test_what_cannot_be_served_is_refused_before_it_starts(project, ael) -> None:
    refused = ael("serve", "--transport", "http", "--host", "0.0.0.0", "--port", "0")
    assert refused.returncode == 1
    assert "there is no authentication" in refused.stderr
    assert "--insecure" in refused.stderr
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        busy = ael("serve", AEL_TRANSPORT="http", AEL_PORT=str(taken.getsockname()[1]))
    assert busy.returncode == 1
    assert "cannot listen at 127.0.0.1:" in busy.stderr
    assert "Address already in use" in busy.stderr
    assert ael("serve", "--tls-cert", "x.pem").returncode == 2
    lost = ael("serve", "--transport", "http", "--port", "0", "--tls-cert", "x.pem", "--tls-key", "x.pem")
    assert lost.returncode == 1
    assert "the certificate or its key is not usable" in lost.stderr
    assert ael("serve", AEL_PORT="many").returncode == 1


@pytest.mark.parametrize(
    ("auth", "key"), [({"required": True}, "required"), ({"oidc": {"issuer": "https://i", "audience": "a"}}, "oidc")]
)
async def test_nobody_is_let_in_where_authentication_is_asked_for(project, ael, auth: dict[str, Any], key: str) -> None:
    project.configure({"auth": auth})
    refused = ael("serve", "--transport", "http", "--port", "0", "--insecure")
    assert refused.returncode == 1
    assert f"'auth.{key}' asks for authentication over HTTP, which there is none of yet" in refused.stderr
    async with project.raw() as raw:
        # Over its standard streams there is one client, who has started it.
        assert not (await raw.call("workflow:quick"))["isError"]


async def test_other_machines_are_let_in_by_those_who_insist(project) -> None:
    async with (
        project.process("--transport", "http", "--host", "0.0.0.0", "--port", "0", "--insecure") as running,
        httpx2.AsyncClient(timeout=60) as client,
    ):
        url = await project.said(r"Listening on (\S+)", running)
        health = url.replace("0.0.0.0", "127.0.0.1").replace("/mcp", "/health")
        assert (await client.get(health)).json()["status"] == "ok"
        assert (await client.get(health, headers={"Host": "evil.example"})).status_code == 403


async def test_tls_is_spoken_with_a_certificate(project) -> None:
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "key.pem", "-out", "cert.pem"]
    made = await asyncio.to_thread(subprocess.run, [*command, *subject], cwd=project.root, capture_output=True)
    assert made.returncode == 0, made.stderr
    context = ssl.create_default_context(cafile=str(project.root / "cert.pem"))
    async with (
        project.over_http("--tls-cert", "cert.pem", "--tls-key", "key.pem") as url,
        httpx2.AsyncClient(verify=context, timeout=60) as client,
    ):
        assert url.startswith("https://")
        found = await client.get(url.replace("127.0.0.1", "localhost").replace("/mcp", "/health"))
        assert found.json()["status"] == "ok"
