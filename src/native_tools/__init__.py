"""The native tools: an MCP server that comes with AEL and imports nothing of it.

__main__     the command line: over standard streams or over HTTP
server       the MCP server: lists the tools, checks parameters, calls, answers
pipes, http  what carries it
refusals     answers to what is no message
catalog      every tool, by group
tool         Tool, ToolError: what a tool is
environment  the one reader of environment variables
"""

__version__ = "0.1.0"
