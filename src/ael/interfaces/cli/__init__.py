"""The command line.

main        the group of commands; imports a command's module when it is invoked
options     options that every command takes, before and after its name
render      executions, errors and values as text
run, validate, schema, executions, workflows, doctor, version   the commands
"""
