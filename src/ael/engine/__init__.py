"""EXECUTE: runs plans.

    engine       executions: queue, time limit, children, the end of each
    interpreter  the loop over a plan; knows no clock, no storage and no network
    host         what the interpreter asks of its surroundings
    embedded     the host in this process, recording in a journal
    scope        what templates and code of a step see
    retry        whether and when to try again
    results      outputs of a finished execution

Above stands the app; below steps, journal and plan.
"""
