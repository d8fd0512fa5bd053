-- Who the tenants are, and what is needed before a request has one. Tools run as `app` and see their own
-- tenant; `auth` is the role of the system pool. It sees all tenants in exactly these tables, and in none
-- of the others. A larger program has two: one that only reads, for the login, and one that provisions.

CREATE TABLE organisations (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name text NOT NULL UNIQUE,
    leaving_since timestamptz
);
COMMENT ON TABLE organisations IS '@tenant id';
ALTER TABLE organisations ENABLE ROW LEVEL SECURITY;
ALTER TABLE organisations FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON organisations FOR SELECT
    USING (id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid));
CREATE POLICY registry ON organisations TO auth USING (true) WITH CHECK (true);
GRANT SELECT ON organisations TO app;
GRANT SELECT, INSERT, UPDATE, DELETE ON organisations TO auth;

CREATE TABLE email_domains (
    domain text PRIMARY KEY CHECK (domain = lower(domain)),
    tenant_id uuid NOT NULL REFERENCES organisations (id),
    verified_at timestamptz
);
ALTER TABLE email_domains ENABLE ROW LEVEL SECURITY;
ALTER TABLE email_domains FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON email_domains
    USING (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid))
    WITH CHECK (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid));
CREATE POLICY sign_up ON email_domains FOR SELECT TO auth USING (true);
CREATE POLICY provisioning ON email_domains FOR INSERT TO auth WITH CHECK (true);
GRANT SELECT, DELETE ON email_domains TO app;
GRANT SELECT, INSERT ON email_domains TO auth;

CREATE TABLE members (
    tenant_id uuid NOT NULL DEFAULT nullif(current_setting('app.tenant_id', true), '')::uuid
        REFERENCES organisations (id),
    subject text NOT NULL,
    is_admin boolean NOT NULL DEFAULT false,
    PRIMARY KEY (tenant_id, subject)
);
ALTER TABLE members ENABLE ROW LEVEL SECURITY;
ALTER TABLE members FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON members
    USING (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid))
    WITH CHECK (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid));
CREATE POLICY provisioning ON members FOR INSERT TO auth WITH CHECK (true);
GRANT SELECT, INSERT, DELETE ON members TO app;
GRANT INSERT ON members TO auth;

-- `id` is the public part of a key, `hash` the digest of the whole.
CREATE TABLE api_keys (
    tenant_id uuid NOT NULL DEFAULT nullif(current_setting('app.tenant_id', true), '')::uuid
        REFERENCES organisations (id),
    id text NOT NULL UNIQUE,
    hash text NOT NULL,
    subject text NOT NULL,
    scopes text[] NOT NULL,
    expires_at timestamptz,
    PRIMARY KEY (tenant_id, id)
);
ALTER TABLE api_keys ENABLE ROW LEVEL SECURITY;
ALTER TABLE api_keys FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON api_keys
    USING (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid))
    WITH CHECK (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid));
CREATE POLICY login ON api_keys FOR SELECT TO auth USING (true);
GRANT SELECT, INSERT, DELETE ON api_keys TO app;
GRANT SELECT ON api_keys TO auth;
