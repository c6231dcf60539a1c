"""What the environment makes of the network: the policy and the resolver, made once for each environment."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from native_tools.environment import Environment
from native_tools.network.policy import Policy, PolicyInvalid

if TYPE_CHECKING:
    from native_tools.network.names import Resolver


def policy_of(environment: Environment) -> Policy:
    """Return what an environment allows; raises `PolicyInvalid`."""
    return _policy(environment.allowed_hosts, environment.blocked_hosts)


def resolver_of(environment: Environment) -> Resolver:
    """Return what resolves names in an environment."""
    return _resolver(environment.nameservers)


def unusable(environment: Environment) -> str:
    """Say what is wrong with the lists: by such lists nothing is reached."""
    from native_tools.network.names import read_server  # noqa: PLC0415 # with anyio, for whoever has name servers

    try:
        policy_of(environment)
        for text in environment.nameservers:
            read_server(text)
    except PolicyInvalid as error:
        return str(error)
    except ValueError:
        return "NATIVE_TOOLS_NAMESERVERS has something that is no ADDRESS or ADDRESS:PORT."
    return ""


@cache
def _policy(allowed: tuple[str, ...], blocked: tuple[str, ...]) -> Policy:
    return Policy(allowed, blocked)


@cache
def _resolver(nameservers: tuple[str, ...]) -> Resolver:
    from native_tools.network.names import DnsResolver, SystemResolver  # noqa: PLC0415 # with the first request

    return DnsResolver(nameservers) if nameservers else SystemResolver()
