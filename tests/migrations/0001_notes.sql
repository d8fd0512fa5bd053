CREATE TABLE notes (
    tenant_id uuid NOT NULL DEFAULT nullif(current_setting('app.tenant_id', true), '')::uuid,
    id bigint GENERATED ALWAYS AS IDENTITY,
    body text NOT NULL CHECK (length(body) < 200),
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, body)
);

ALTER TABLE notes ENABLE ROW LEVEL SECURITY;
ALTER TABLE notes FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON notes
    USING (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid))
    WITH CHECK (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid));
GRANT SELECT, INSERT, UPDATE, DELETE ON notes TO app;

CREATE TABLE api_keys (
    hash text PRIMARY KEY,
    tenant_id uuid NOT NULL
);

ALTER TABLE api_keys ENABLE ROW LEVEL SECURITY;
ALTER TABLE api_keys FORCE ROW LEVEL SECURITY;
CREATE POLICY login ON api_keys FOR SELECT TO auth USING (true);
GRANT SELECT ON api_keys TO auth;
