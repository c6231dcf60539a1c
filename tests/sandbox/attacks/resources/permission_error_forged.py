# guard: CODE_SECURITY|KERNEL
# bare: CODE_SECURITY
# what: a refusal of the kernel raised by hand
raise PermissionError(1, "x" * 100_000)
