# guard: CODE_RUNTIME
# bare: CODE_RUNTIME
# what: SystemExit
raise SystemExit(0)
