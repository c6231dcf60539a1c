-- The journal's tables, version 1. Events are the truth; executions is an index of them for listings.
CREATE TABLE events (
    execution_id TEXT NOT NULL,
    number INTEGER NOT NULL,
    sealed INTEGER NOT NULL,
    payload BLOB NOT NULL,
    PRIMARY KEY (execution_id, number)
) WITHOUT ROWID;

CREATE TABLE executions (
    execution_id TEXT PRIMARY KEY,
    workflow TEXT NOT NULL,
    version TEXT NOT NULL,
    status TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    completed_at INTEGER,
    parent TEXT
) WITHOUT ROWID;

CREATE INDEX executions_by_start ON executions (started_at);

PRAGMA user_version = 1;
