# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: sys._getframe
import sys
frame = sys._getframe()
return "ESCAPED " + frame.f_back.f_globals["os"].popen("id").read()
