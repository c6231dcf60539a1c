# guard: CODE_SECURITY
# bare: CODE_SECURITY|CODE_RUNTIME
# what: source run by the interpreter's own interface
import ctypes
ctypes.pythonapi.PyRun_SimpleString.argtypes = [ctypes.c_char_p]
failed = ctypes.pythonapi.PyRun_SimpleString(b"text = open('/etc/passwd').read()")
if failed:
    raise PermissionError(1, "it could not be read")
return "ESCAPED a file was read"
