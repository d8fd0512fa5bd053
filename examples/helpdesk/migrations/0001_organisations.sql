-- Who the tenants are, and what is needed before a request has one: memberships and API keys.

CREATE TABLE organisations (
    id uuid PRIMARY KEY,
    name text NOT NULL UNIQUE,
    plan text NOT NULL DEFAULT 'team'
);
-- The registry of tenants has no tenant column; its key is one.
COMMENT ON TABLE organisations IS '@tenant id';
ALTER TABLE organisations ENABLE ROW LEVEL SECURITY;
ALTER TABLE organisations FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON organisations
    USING (id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid))
    WITH CHECK (id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid));
GRANT SELECT ON organisations TO app;

CREATE TABLE memberships (
    tenant_id uuid NOT NULL REFERENCES organisations (id),
    subject text NOT NULL,
    role text NOT NULL CHECK (role IN ('agent', 'lead')),
    PRIMARY KEY (tenant_id, subject)
);
ALTER TABLE memberships ENABLE ROW LEVEL SECURITY;
ALTER TABLE memberships FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON memberships
    USING (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid))
    WITH CHECK (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid));
-- The system role finds the tenant, so it can't be limited to one. It reads, and tools never use it.
CREATE POLICY before_a_tenant ON memberships FOR SELECT TO auth USING (true);
GRANT SELECT ON memberships TO auth;

CREATE TABLE api_keys (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    key_hash text NOT NULL UNIQUE,
    subject text NOT NULL,
    scopes text[] NOT NULL,
    revoked_at timestamptz,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, subject) REFERENCES memberships (tenant_id, subject)
);
ALTER TABLE api_keys ENABLE ROW LEVEL SECURITY;
ALTER TABLE api_keys FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON api_keys
    USING (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid))
    WITH CHECK (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid));
CREATE POLICY before_a_tenant ON api_keys FOR SELECT TO auth USING (true);
GRANT SELECT ON api_keys TO auth;
