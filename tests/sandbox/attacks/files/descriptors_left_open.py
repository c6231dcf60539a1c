# guard: CODE_SECURITY
# bare: -
# what: descriptors left open by who forked us
import os
found = []
for descriptor in range(256):
    try:
        os.fstat(descriptor)
        found.append(descriptor)
    except OSError:
        pass
return "ESCAPED " + str(found) if len(found) > 1 else "its own channel"
