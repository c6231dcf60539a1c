# guard: CODE_RUNTIME
# bare: CODE_RUNTIME
# what: the failure of a tool that was never called
raise ToolError("CODE_SECURITY", "m", True, "d", 7)
