CREATE TABLE templates (
    namespace TEXT NOT NULL,
    name      TEXT NOT NULL,
    version   TEXT NOT NULL,
    revision  INTEGER NOT NULL DEFAULT 1,
    document  TEXT NOT NULL,
    PRIMARY KEY (namespace, name, version)
) STRICT;

CREATE TABLE step_executions (
    id          INTEGER PRIMARY KEY,
    namespace   TEXT NOT NULL,
    template    TEXT NOT NULL,
    step        TEXT NOT NULL,
    worker      TEXT NOT NULL,
    status      TEXT NOT NULL,
    started_at  INTEGER NOT NULL, -- milliseconds since 1970
    duration_ms INTEGER NOT NULL
) STRICT;
