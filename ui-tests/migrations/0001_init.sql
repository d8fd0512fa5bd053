CREATE ROLE app LOGIN;

CREATE TABLE customers (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id uuid NOT NULL DEFAULT nullif(current_setting('app.tenant_id', true), '')::uuid,
    name text NOT NULL,
    plan text NOT NULL DEFAULT 'free',
    logo bytea
);
ALTER TABLE customers ENABLE ROW LEVEL SECURITY;
ALTER TABLE customers FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON customers
    USING (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid))
    WITH CHECK (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid));

-- No row-level security: statements must carry the tenant themselves.
CREATE TABLE notes (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id uuid NOT NULL,
    customer_id bigint NOT NULL,
    body text NOT NULL
);

CREATE TABLE api_keys (
    hash bytea PRIMARY KEY,
    tenant_id uuid NOT NULL
);

CREATE TABLE prices (
    plan text PRIMARY KEY,
    cents bigint NOT NULL
);
COMMENT ON TABLE prices IS '@global price list shared by all';

-- As `notes`.
CREATE TABLE invoices (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id uuid NOT NULL,
    amount numeric NOT NULL
);
