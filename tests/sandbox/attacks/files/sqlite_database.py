# guard: CODE_SECURITY
# bare: CODE_SECURITY|CODE_RUNTIME
# what: a database in a file
import sqlite3
sqlite3.connect(inputs["drop"] + "/database").execute("create table t (x)")
return "ESCAPED it was made"
