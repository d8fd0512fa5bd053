CREATE SCHEMA work;
CREATE TABLE work.pages (
    workspace_id text NOT NULL,
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    "Title" text NOT NULL,
    PRIMARY KEY (workspace_id, id)
);
-- Switched on and never given a policy that looks at the workspace.
ALTER TABLE work.pages ENABLE ROW LEVEL SECURITY;
CREATE POLICY everyone ON work.pages USING (true);
CREATE TABLE work.events (
    workspace_id varchar(40) NOT NULL,
    at timestamptz NOT NULL,
    what text NOT NULL
) PARTITION BY RANGE (at);
CREATE TABLE work.events_2026 PARTITION OF work.events FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
-- Right but for the owner.
CREATE TABLE work."Drafts" (workspace_id text NOT NULL, body text NOT NULL);
ALTER TABLE work."Drafts" ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON work."Drafts" USING (workspace_id = current_setting('crm.workspace_id'));
CREATE TABLE work.languages (code text PRIMARY KEY);
COMMENT ON TABLE work.languages IS '@global the languages that pages can be written in';
INSERT INTO work.pages (workspace_id, "Title") VALUES ('acme', 'a'), ('acme', 'b'), ('evil', 'c');
INSERT INTO work.events VALUES ('acme', '2026-02-01', 'x'), ('evil', '2026-02-01', 'y');
INSERT INTO work."Drafts" VALUES ('acme', 'a'), ('evil', 'b');
