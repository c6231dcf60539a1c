# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: a class pattern that reads the frame off a generator
running = (x for x in [1])
match running:
    case object(gi_frame=object(f_builtins=table)):
        return "ESCAPED " + table["open"](inputs["file"]).read()
