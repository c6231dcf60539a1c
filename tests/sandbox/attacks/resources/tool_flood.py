# guard: RESOURCE_EXHAUSTED
# bare: RESOURCE_EXHAUSTED
# what: tools called beyond the limit
for number in range(30):
    call_tool("echo", {"n": number})
