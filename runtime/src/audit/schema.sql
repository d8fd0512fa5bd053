-- Watertight's own schema: the audit trail. `watertight::migrate` applies it as the owner, in one
-- transaction, again and again; so every statement here must bear repetition.

-- Two programs that start at once wait for each other. Any fixed number.
SELECT pg_catalog.pg_advisory_xact_lock(8387236825053652085);

CREATE SCHEMA IF NOT EXISTS watertight;

-- One row for the effect of a write, which commits with it, and one for the completion of the call.
-- The tenant is text, whatever the type of the application's tenant column, and is never given:
-- it is the setting of the scope that inserts.
CREATE TABLE IF NOT EXISTS watertight.audit (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id   text NOT NULL
                DEFAULT nullif(pg_catalog.current_setting('{setting}', true), ''),
    kind        text NOT NULL CHECK (kind IN ('effect', 'completion')),
    reference   text NOT NULL,
    at          timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    recorded_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    tool        text,
    issuer      text,
    subject     text,
    client      text,
    arguments   text[],
    outcome     text,
    error       text,
    rows        bigint,
    duration_us bigint,
    protocol    text,
    probe       boolean NOT NULL DEFAULT false
);
-- Where a caller belongs that works for several tenants. Added later, hence not above.
ALTER TABLE watertight.audit ADD COLUMN IF NOT EXISTS home_tenant text;
CREATE INDEX IF NOT EXISTS audit_tenant_id_id ON watertight.audit (tenant_id, id);
-- A batch is sent again when its answer was lost; the second copy changes nothing.
CREATE UNIQUE INDEX IF NOT EXISTS audit_completion ON watertight.audit (tenant_id, reference)
    WHERE kind = 'completion';

ALTER TABLE watertight.audit ENABLE ROW LEVEL SECURITY;
ALTER TABLE watertight.audit FORCE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS tenant_insert ON watertight.audit;
CREATE POLICY tenant_insert ON watertight.audit FOR INSERT TO {application_role}
    WITH CHECK (tenant_id = (SELECT nullif(pg_catalog.current_setting('{setting}', true), '')));
DROP POLICY IF EXISTS tenant_select ON watertight.audit;
CREATE POLICY tenant_select ON watertight.audit FOR SELECT TO {application_role}
    USING (tenant_id = (SELECT nullif(pg_catalog.current_setting('{setting}', true), '')));

REVOKE ALL ON watertight.audit FROM PUBLIC, {application_role};
GRANT USAGE ON SCHEMA watertight TO {application_role};
GRANT SELECT ON watertight.audit TO {application_role};
GRANT INSERT (kind, reference, at, tool, issuer, subject, home_tenant, client, arguments, outcome, error, rows,
              duration_us, protocol, probe) ON watertight.audit TO {application_role};

-- What happens before there is a tenant: every system statement, by the role that ran it.
CREATE TABLE IF NOT EXISTS watertight.system_audit (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    role        text NOT NULL DEFAULT session_user,
    kind        text NOT NULL CHECK (kind IN ('effect', 'read', 'rollback')),
    reference   text NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    tool        text,
    issuer      text,
    subject     text
);
ALTER TABLE watertight.system_audit ENABLE ROW LEVEL SECURITY;
ALTER TABLE watertight.system_audit FORCE ROW LEVEL SECURITY;
REVOKE ALL ON watertight.system_audit FROM PUBLIC;
DROP POLICY IF EXISTS own_insert ON watertight.system_audit;
CREATE POLICY own_insert ON watertight.system_audit FOR INSERT
    WITH CHECK (role = session_user);
