CREATE SCHEMA IF NOT EXISTS backline;

CREATE TABLE backline.migrations (
    number bigint PRIMARY KEY,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- One row. Whoever writes locks it first: it orders all commits.
CREATE TABLE backline.ledger (
    is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
    -- The place of the last event.
    last_seq bigint NOT NULL DEFAULT 0,
    -- What all jobs have cost and reserved, in thousandths of a credit.
    committed bigint NOT NULL DEFAULT 0
);
INSERT INTO backline.ledger DEFAULT VALUES;

CREATE TABLE backline.runs (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id text NOT NULL UNIQUE,
    started_ms bigint NOT NULL,
    header text NOT NULL,
    plan text NOT NULL,
    -- What counts against the run's credits, in thousandths: reservations of its jobs when it began, and all changes since by it.
    committed bigint NOT NULL
);

-- Runs that were removed: the output directories that they filled still name them.
CREATE TABLE backline.pruned (
    run text PRIMARY KEY
);

CREATE TABLE backline.plans (
    plan text NOT NULL,
    position bigint NOT NULL,
    key bytea NOT NULL,
    planned text NOT NULL,
    PRIMARY KEY (plan, position)
);

CREATE TABLE backline.events (
    seq bigint PRIMARY KEY,
    at_ms bigint NOT NULL,
    -- When it was written, by the server's clock.
    written_at timestamptz NOT NULL,
    run text NOT NULL,
    account text NOT NULL,
    job bytea,
    is_submission boolean NOT NULL,
    -- The token of the attempt that it begins.
    token text,
    -- The task that the event makes the job's.
    task text,
    event text NOT NULL
);
CREATE INDEX events_of_job ON backline.events (job, seq) WHERE job IS NOT NULL;
CREATE INDEX events_of_run ON backline.events (run, seq);
CREATE INDEX events_of_task ON backline.events (task) WHERE task IS NOT NULL;
CREATE INDEX events_of_token ON backline.events (token) WHERE token IS NOT NULL;
CREATE INDEX submissions ON backline.events (account, written_at) WHERE is_submission;
-- An output directory names the last submission for it by its time.
CREATE INDEX submissions_by_time ON backline.events (at_ms) WHERE is_submission;

CREATE TABLE backline.jobs (
    key bytea PRIMARY KEY,
    account text NOT NULL,
    version bigint NOT NULL,
    -- What it has cost and reserved, in thousandths of a credit.
    committed bigint NOT NULL,
    is_in_flight boolean NOT NULL,
    changed_at timestamptz NOT NULL,
    job text NOT NULL
);
CREATE INDEX jobs_in_flight ON backline.jobs (account, changed_at) WHERE is_in_flight;

CREATE TABLE backline.uploads (
    hash text NOT NULL,
    account text NOT NULL,
    url text NOT NULL,
    at_ms bigint NOT NULL,
    PRIMARY KEY (hash, account)
);

CREATE TABLE backline.hook_results (
    input bytea PRIMARY KEY,
    response text NOT NULL
);

-- Callbacks that came to a process that does not have the job, until the one that has it has recorded them.
CREATE TABLE backline.callbacks (
    token text NOT NULL,
    task text NOT NULL,
    received_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (token, task)
);

-- The last batch of each writer: a writer that lost the response to its commit finds out here whether it was made.
CREATE TABLE backline.writers (
    writer text PRIMARY KEY,
    batch bigint NOT NULL,
    first_seq bigint NOT NULL,
    refused text NOT NULL,
    written_at timestamptz NOT NULL
);
