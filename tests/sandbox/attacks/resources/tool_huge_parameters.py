# guard: CODE_CRASHED|RESOURCE_EXHAUSTED|CODE_MEMORY
# bare: CODE_CRASHED|RESOURCE_EXHAUSTED|CODE_MEMORY
# what: parameters larger than any message
call_tool("echo", {"x": "x" * (12 << 20)})
