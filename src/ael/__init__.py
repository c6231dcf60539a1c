"""AEL, the Agent Execution Layer: LLMs plan, AEL executes.

The package is a house of rooms; imports point down only (`lint-imports` holds it):

    interfaces   cli (later http, rest, mcp): translate a request, nothing else
    app          settings, assembly, the use cases
    engine       the interpreter and its hosts
    steps        one runner per step kind
    tools        catalog, MCP clients, gateway     | sandbox   code in locked-down children
    governance   who asks, and may they
    journal      events, storage, fold             | plan      the graph of a workflow
    workflow     the definition and its expressions
    observe      logging, masking
    values       JSON as AEL means it
    errors       every error and its code
"""

__version__ = "0.1.0"
