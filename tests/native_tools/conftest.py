"""The server of native tools as a process, called through AEL's own client and gateway."""

from __future__ import annotations

import os
import ssl
import sys
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from ael.errors import AelError
from ael.tools import CallContext
from ael.tools.catalog import ToolCatalog
from ael.tools.gateway import Gateway
from ael.tools.servers import McpServer, ServerConfig
from native_tools.environment import Environment
from native_tools.server import NativeTools
from native_tools.tool import ToolError

Call = Callable[..., Awaitable[Any]]


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    made = tmp_path / "workspace"
    made.mkdir()
    return made


@pytest.fixture
async def native(workspace: Path) -> AsyncIterator[Callable[..., Call]]:
    """Return what starts a server with some environment, and calls its tools."""
    catalogs: list[ToolCatalog] = []

    def make(arguments: tuple[str, ...] = ("-m", "native_tools"), **variables: str) -> Call:
        config = ServerConfig(
            command=sys.executable,
            args=arguments,
            env={"WORKSPACE_DIR": str(workspace), "PATH": os.environ["PATH"], **variables},
            timeout=60,
            startup_timeout=60,
        )
        catalog = ToolCatalog([McpServer("native_tools", config)], {"native_tools": config})
        catalogs.append(catalog)
        gateway = Gateway(catalog)

        async def record(report: object) -> None:
            pass

        async def call(tool: str, /, **params: Any) -> Any:
            context = CallContext(scope=("*",), record=record, key="exec-1/step", resolved={})
            return await gateway.call(f"native_tools__{tool}", params, context)

        return call

    yield make
    for catalog in catalogs:
        await catalog.close()


@pytest.fixture
def call(native: Callable[..., Call]) -> Call:
    """Call a tool of a server with a workspace and nothing else set."""
    return native()


@pytest.fixture
def tools(workspace: Path) -> Call:
    """Call a tool without a process: for what is tried in great numbers."""
    return calls(NativeTools(Environment(workspace=workspace)))


def calls(made: NativeTools) -> Call:
    """Return what calls tools as the server does, parameters checked."""

    async def call(tool: str, /, **params: Any) -> Any:
        return await made.call(tool, params)

    return call


async def refused(call: Call, tool: str, **params: Any) -> str:
    with pytest.raises(ToolError) as caught:
        await call(tool, **params)
    return caught.value.message


async def failing(call: Call, tool: str, **params: Any) -> AelError:
    with pytest.raises(AelError) as caught:
        await call(tool, **params)
    return caught.value


@pytest.fixture
def peak_memory() -> Callable[[int], AbstractContextManager[None]]:
    """Return what fails when more bytes than given are held at once."""

    @contextmanager
    def below(most: int) -> Iterator[None]:
        tracemalloc.start()
        try:
            yield
            assert tracemalloc.get_traced_memory()[1] < most
        finally:
            tracemalloc.stop()

    return below


@pytest.fixture
def certified(tmp_path: Path) -> tuple[ssl.SSLContext, Path]:
    """Return what a server of safe.test needs, and the certificate that vouches for it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "safe.test")])
    names = x509.SubjectAlternativeName([x509.DNSName("safe.test"), x509.IPAddress(ip_address("127.0.0.1"))])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    public, private = tmp_path / "certificate.pem", tmp_path / "key.pem"
    public.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(public, private)
    return context, public
