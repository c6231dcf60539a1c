# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: the devices that every system has
for name in ("null", "tty", "kmsg", "mem", "shm/x", "ptmx", "random"):
    try:
        open("/dev/" + name, "r+b", 0)
        return "ESCAPED " + name
    except PermissionError as error:
        last = error
raise last
