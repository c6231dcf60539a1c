"""HTTP: what is served over a port, put together.

    guard     which requests are let in at all
    sessions  how many sessions may be open
    address   where to listen, and with what certificate
    server    the application, and an orderly end

Above stands cli; below the protocols.
"""
