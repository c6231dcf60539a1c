# guard: CODE_CRASHED
# bare: CODE_CRASHED
# what: tools called beyond the limit, every error caught
while True:
    try:
        call_tool("echo", {})
    except ToolError:
        pass
