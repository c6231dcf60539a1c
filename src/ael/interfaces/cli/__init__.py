"""The command line.

main        the group of commands; imports a command's module when it is invoked
options     options that every command takes, before and after its name
session     opens the application for a command and tells what goes wrong
failures    unknown commands and defects, told without the application
render      executions, errors and values as text
running     what `run` does once the sandbox is on its way
run, validate, schema, executions, workflows, tools, doctor, version   the commands
"""
