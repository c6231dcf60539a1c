"""What an agent pays for one task, tool by tool and as a workflow: `uv run python examples/agent_view.py`.

The task: who worked on this repository lately, and on what. Both ways go through `ael serve`; what the agent would
read (definitions of the tools that are called, results) and write (calls) is counted in bytes of JSON, and a token is
taken for four bytes, which is about right for English and JSON. What the model thinks in between is not counted, nor
that it would have to count 50 commits in its head, or write a program for it, the first way.
"""

import asyncio
import json
import os
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent


class Agent:
    """An MCP client that counts."""

    def __init__(self, process):
        self.process, self.calls, self.read, self.written, self.number = process, 0, 0, 0, 0

    async def ask(self, method, params):
        self.number += 1
        message = {"jsonrpc": "2.0", "id": self.number, "method": method, "params": params}
        self.process.stdin.write(json.dumps(message).encode() + b"\n")
        while True:
            answer = json.loads(await self.process.stdout.readline())
            if answer.get("id") == self.number:
                if "error" in answer:
                    sys.exit(f"{method}: {answer['error']['message']}")
                return answer["result"]

    async def start(self, names):
        info = {"name": "agent-view", "version": "1"}
        await self.ask("initialize", {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": info})
        self.process.stdin.write(b'{"jsonrpc":"2.0","method":"notifications/initialized"}\n')
        tools = {}
        # A server that takes long to start joins the list later.
        while not names <= tools.keys():
            await asyncio.sleep(0.1 if self.number > 2 else 0)
            tools = {tool["name"]: tool for tool in (await self.ask("tools/list", {}))["tools"]}
        self.read += sum(size(tools[name]) for name in names)

    async def call(self, name, arguments):
        self.calls += 1
        self.written += size({"name": name, "arguments": arguments})
        result = await self.ask("tools/call", {"name": name, "arguments": arguments})
        assert not result.get("isError"), result
        text = "".join(block["text"] for block in result["content"])
        self.read += len(text.encode())
        return text


def size(value):
    return len(json.dumps(value, ensure_ascii=False).encode())


async def connected(names, work):
    command = [sys.executable, "-m", "ael", "serve", "-q", "-c", str(ROOT / "examples/ael-config.yaml")]
    with tempfile.TemporaryDirectory() as state:
        process = await asyncio.create_subprocess_exec(
            *command, stdin=-1, stdout=-1, limit=2**24, env={**os.environ, "AEL_DB": f"{state}/ael.db"}
        )
        agent = Agent(process)
        await agent.start(names)
        answer = await work(agent)
        process.stdin.close()
        await process.wait()
    return agent, answer


async def tool_by_tool(agent):
    log = await agent.call("git_log", {"repo_path": str(ROOT), "max_count": 50})
    status = await agent.call("git_status", {"repo_path": str(ROOT)})
    return f"{len(log)} characters of log and {len(status)} of status, to be counted by the model"


async def workflow(agent):
    return await agent.call("workflow:repository-report", {"path": str(ROOT)})


async def main():
    ways = {
        "tool by tool": ({"git_log", "git_status"}, tool_by_tool),
        "as a workflow": ({"workflow:repository-report"}, workflow),
    }
    print(f"{'':<14} {'calls':>5} {'bytes read':>11} {'written':>8} {'tokens':>7}")
    for name, (names, work) in ways.items():
        agent, answer = await connected(names, work)
        tokens = (agent.read + agent.written) // 4
        print(f"{name:<14} {agent.calls:>5} {agent.read:>11,} {agent.written:>8,} {tokens:>7,}")
        print(f"  {answer}")


asyncio.run(main())
