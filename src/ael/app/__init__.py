"""ASSEMBLY: the use cases that every interface offers.

settings     the only reader of environment and configuration files
definitions  from a file or a name to a plan
plan_cache   plans remembered by digest
build        the only namer of concrete back ends
doctor       whether this installation works
tools        what the servers offer, and a call from outside of a workflow
application  App: run, validate, look at executions
"""
