"""SPEAK: how people and programs reach AEL.

Each interface translates a request, calls one use case of `ael.app`, and renders what comes back.

    cli  the command line
"""
