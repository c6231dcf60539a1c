"""MCP: what is served, in the protocol's words, in both of its eras. The only namer of the SDK's server.

    server    the SDK's low-level server with our handlers
    messages  what is wrong with a message, in the protocol's words
    requests  those that are not answered yet, by id
    listing   tools/list: wire forms made once, in pages
    results   answers → results of tools/call
    news      list_changed, to sessions and to subscriptions
    pipes     our own standard streams

Above stand http and cli; below the use cases of serving. Importing `server` costs a second: it imports `mcp`.
"""
