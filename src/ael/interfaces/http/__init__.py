"""HTTP: what is served over a port, put together.

    guard     which requests are let in at all
    sessions  how many sessions may be open
    server    the application, TLS, the port, and an orderly end

Above stands cli; below the protocols.
"""
