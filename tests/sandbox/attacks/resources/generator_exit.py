# guard: CODE_RUNTIME
# bare: CODE_RUNTIME
# what: GeneratorExit out of the coroutine
raise GeneratorExit
