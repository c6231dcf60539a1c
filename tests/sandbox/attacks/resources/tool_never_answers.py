# guard: CODE_TIMEOUT
# bare: CODE_TIMEOUT
# what: a tool that never answers, waited for
call_tool("never", {})
