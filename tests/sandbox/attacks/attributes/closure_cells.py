# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: the cells of call_tool hold the channel
channel = call_tool.__closure__[0].cell_contents
import os
return "ESCAPED " + os.listdir("/")[0]
