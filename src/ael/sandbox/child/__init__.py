"""The child side of the sandbox: standard library only, started by path, imports nothing of ael.

zygote  locks itself down, forks children on request
worker  runs code blocks in a child
check   guards and compiles code blocks, in a child of its own
guard   the language layers: diagnostics and clear errors, not the boundary
binder  templates bound as values
kernel  the boundary: namespaces, empty root, Landlock, limits, seccomp
"""
