-- What the product is about: only its tenants see it, the system role does not.
CREATE TABLE trials (
    tenant_id uuid NOT NULL DEFAULT nullif(current_setting('app.tenant_id', true), '')::uuid
        REFERENCES organisations (id),
    id bigint GENERATED ALWAYS AS IDENTITY,
    product text NOT NULL,
    ends_at timestamptz NOT NULL,
    expired boolean NOT NULL DEFAULT false,
    PRIMARY KEY (tenant_id, id)
);
ALTER TABLE trials ENABLE ROW LEVEL SECURITY;
ALTER TABLE trials FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON trials
    USING (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid))
    WITH CHECK (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid));
GRANT SELECT, INSERT, UPDATE, DELETE ON trials TO app;
