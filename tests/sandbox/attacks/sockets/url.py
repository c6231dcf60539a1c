# guard: CODE_SECURITY
# bare: CODE_SECURITY|CODE_RUNTIME
# what: a request by the library for them
import urllib.request
return "ESCAPED " + str(urllib.request.urlopen("http://127.0.0.1:%d/" % inputs["port"], timeout=1))
