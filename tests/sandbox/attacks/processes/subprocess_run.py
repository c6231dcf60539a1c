# guard: CODE_SECURITY
# bare: CODE_SECURITY|CODE_RUNTIME
# what: a process by the library for them
import subprocess
return "ESCAPED " + subprocess.run(["/bin/cat", inputs["file"]], capture_output=True).stdout.decode()
