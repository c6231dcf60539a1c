# guard: CODE_SECURITY
# bare: CODE_SECURITY|CODE_RUNTIME
# what: a submodule that is not in the profile
import urllib.request
return "ESCAPED " + urllib.request.urlopen("file://" + inputs["file"]).read().decode()
