# guard: CODE_RUNTIME
# bare: CODE_RUNTIME
# what: parameters that are not JSON
call_tool("echo", {"x": {1, 2}})
