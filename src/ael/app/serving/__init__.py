"""SERVING: what agents see of this installation as tools and resources, whatever protocol carries them.

    served     a tool, its answer, who calls it, and the Provider Protocol
    names      canonical names, and safe ones for hosts that take no colon
    toolbox    all providers as one list, and a call by any of a tool's names
    runs       the executions that agents start, owned here
    workflows  workflows as tools, and their files while they change
    watching   which files of the directories changed
    upstream   the tools of servers, under their catalog names
    code       python_exec
    authoring  tools with which agents write workflows
    files      the files that they write
    resources  definitions and executions to read
    serving    all of it, started and stopped

Above stand the protocols; below the use cases of `App`.
"""
