# guard: CODE_SECURITY
# bare: CODE_CRASHED|CODE_RUNTIME|CODE_SECURITY
# what: bytes that are no code, loaded by marshal
import marshal
broken = marshal.loads(b"\xe3" + b"\xff" * 200)
return "ESCAPED " + str(broken)
