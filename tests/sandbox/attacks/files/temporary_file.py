# guard: CODE_SECURITY
# bare: CODE_SECURITY|CODE_RUNTIME
# what: a temporary file
import tempfile
with tempfile.TemporaryFile(dir=inputs["drop"]) as file:
    return "ESCAPED " + str(file.write(b"x"))
