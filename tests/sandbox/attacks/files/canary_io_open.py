# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: a readable file by io, three ways
import io
for way in (io.open, io.FileIO, io.open_code):
    try:
        return "ESCAPED " + str(way(inputs["other_file"]).read())
    except PermissionError as error:
        last = error
raise last
