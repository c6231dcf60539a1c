# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: the script that the child was forked from
import __main__
return "ESCAPED " + __main__.os.listdir("/")[0]
