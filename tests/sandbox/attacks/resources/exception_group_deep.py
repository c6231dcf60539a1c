# guard: CODE_RUNTIME|CODE_TIMEOUT|CODE_CRASHED
# bare: CODE_RUNTIME|CODE_TIMEOUT|CODE_CRASHED
# what: exception groups nested a hundred thousand deep
last = ValueError("first")
for _ in range(100_000):
    last = ExceptionGroup("g", [last])
raise last
