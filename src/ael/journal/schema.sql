-- The journal's tables, version 4. Events are the truth; executions is an index of them for listings.
-- A row holds the events of one append as a JSON array: numbers `first` up to, without, `next`. At its end may stand
-- which of them hold the large value of an earlier one (`repeats`).
CREATE TABLE events (
    execution_id TEXT NOT NULL,
    first INTEGER NOT NULL,
    next INTEGER NOT NULL,
    sealed INTEGER NOT NULL,
    payload BLOB NOT NULL,
    PRIMARY KEY (execution_id, first)
) WITHOUT ROWID;

-- The plans that executions ran, once each.
CREATE TABLE definitions (
    digest TEXT PRIMARY KEY,
    text BLOB NOT NULL
) WITHOUT ROWID;

CREATE TABLE executions (
    execution_id TEXT PRIMARY KEY,
    workflow TEXT NOT NULL,
    version TEXT NOT NULL,
    status TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    completed_at INTEGER,
    parent TEXT,
    principal TEXT NOT NULL DEFAULT ''
) WITHOUT ROWID;

CREATE INDEX executions_by_start ON executions (started_at);

PRAGMA user_version = 4;
