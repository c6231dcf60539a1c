"""An agent of Pydantic AI, whose model is its test model: it calls the tool that it is told to, and answers."""

import asyncio
import json
import sys

from fastmcp.client.transports import StdioTransport
from pydantic_ai import Agent
from pydantic_ai.mcp import MCPToolset
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart, ToolReturnPart
from pydantic_ai.models.function import AgentInfo, FunctionModel

task = json.loads(sys.argv[1])
offered: list[str] = []
returned: list[object] = []


def think(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
    offered[:] = [tool.name for tool in info.function_tools]
    answers = [part for part in messages[-1].parts if isinstance(part, ToolReturnPart)]
    if answers:
        returned.append(answers[0].content)
        return ModelResponse(parts=[TextPart("done")])
    return ModelResponse(parts=[ToolCallPart(task["tool"], task["arguments"])])


async def main() -> None:
    command = task.get("command")
    where = StdioTransport(command[0], command[1:], env=task["env"]) if command else task["url"]
    agent = Agent(FunctionModel(think), toolsets=[MCPToolset(where)])
    async with agent:
        answer = await agent.run("Do it.")
    print(json.dumps({"tools": offered, "result": returned[0], "answer": answer.output}))


asyncio.run(main())
