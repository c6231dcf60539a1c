"""ISOLATION: untrusted Python in locked-down child processes.

    contract  the Protocols and what passes through them
    pool      the host side: warm spares, one child per execution, limits
    zygotes   processes that fork children, seen from the host
    spawn     starts a zygote's process; imports next to nothing, so that it can come first
    wire      the framing between host and child; every message of a child is hostile
    child/    zygote, worker, check, guard, binder, kernel: standard library only, started by path

Above stand the steps; tools are a sibling that this room does not know. Spec: code steps and the sandbox.
"""
