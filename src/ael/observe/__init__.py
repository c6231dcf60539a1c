"""SEEING: what people and sinks are shown.

    masking       no secret leaves: one linear pass over every text
    secret_forms  what secrets look like in configurations: the one place that knows it
    logs          structured logging on standard error, bound to the execution

Above stand all rooms that show something; below values and errors.
"""
