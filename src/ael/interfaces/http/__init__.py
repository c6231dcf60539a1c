"""HTTP: what is served over a port, put together.

    address      where to listen, and with what certificate
    connections  how long, and how many, requests may be half sent
    door         whether a body is a message at all
    guard        which requests are let in at all
    sessions     how many sessions may be open
    server       the application, and an orderly end

Above stands cli; below the protocols.
"""
