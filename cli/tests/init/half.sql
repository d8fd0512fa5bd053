CREATE TABLE workspaces (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), name text NOT NULL);
CREATE TABLE docs (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), workspace_id uuid NOT NULL REFERENCES workspaces ON DELETE CASCADE, title text NOT NULL);
CREATE TABLE pages (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), workspace_id uuid NOT NULL, doc_id uuid NOT NULL REFERENCES docs ON DELETE CASCADE, body text);
CREATE TABLE api_keys (id uuid PRIMARY KEY, workspace_id uuid NOT NULL REFERENCES workspaces, hash bytea NOT NULL UNIQUE);
CREATE TABLE settings (workspace_id uuid PRIMARY KEY REFERENCES workspaces, theme text);
-- enabled, not forced; a policy that fails open; one without a check
ALTER TABLE docs ENABLE ROW LEVEL SECURITY;
CREATE POLICY docs_ws ON docs USING (workspace_id = current_setting('app.workspace_id', true)::uuid);
ALTER TABLE pages ENABLE ROW LEVEL SECURITY;
CREATE POLICY pages_ws ON pages FOR SELECT USING (workspace_id = current_setting('app.workspace_id')::uuid OR current_setting('app.admin', true) = 'on');
ALTER TABLE settings ENABLE ROW LEVEL SECURITY;
ALTER TABLE settings FORCE ROW LEVEL SECURITY;
CREATE POLICY s ON settings USING (workspace_id = nullif(current_setting('app.workspace_id', true), '')::uuid);
INSERT INTO workspaces (id, name) VALUES ('00000000-0000-4000-8000-000000000001', 'A'), ('00000000-0000-4000-8000-000000000002', 'B');
INSERT INTO docs (id, workspace_id, title) VALUES
    ('00000000-0000-4000-9000-000000000001', '00000000-0000-4000-8000-000000000001', 'one'),
    ('00000000-0000-4000-9000-000000000002', '00000000-0000-4000-8000-000000000002', 'two');
INSERT INTO pages (workspace_id, doc_id, body) SELECT workspace_id, id, title FROM docs;
INSERT INTO api_keys (id, workspace_id, hash) SELECT id, workspace_id, decode(md5(title), 'hex') FROM docs;
-- What is forced binds the owner too, who fills it as everybody does.
SELECT set_config('app.workspace_id', '00000000-0000-4000-8000-000000000001', false);
INSERT INTO settings VALUES ('00000000-0000-4000-8000-000000000001', 'dark');
SELECT set_config('app.workspace_id', '', false);
