-- Watertight's own schema: the audit trail. `watertight::migrate` applies it as the owner, in one
-- transaction, again and again; so every statement here must bear repetition.

-- Two programs that start at once wait for each other. Any fixed number.
SELECT pg_catalog.pg_advisory_xact_lock(8387236825053652085);

CREATE SCHEMA IF NOT EXISTS watertight;

-- One row for the effect of a write, which commits with it, and one for the completion of the call.
-- The tenant is text, whatever the type of the application's tenant column, and is never given:
-- it is the setting of the scope that inserts. A completion is number `seq` in the chain of the
-- `writer` that wrote it; `mac` is what links it there. Partitions are months, so that old ones can
-- be given up whole (`cargo watertight audit retain`).
CREATE TABLE IF NOT EXISTS watertight.audit (
    id          bigint GENERATED ALWAYS AS IDENTITY,
    tenant_id   text NOT NULL
                DEFAULT nullif(pg_catalog.current_setting('{setting}', true), ''),
    kind        text NOT NULL CHECK (kind IN ('effect', 'completion')),
    reference   text NOT NULL,
    at          timestamptz NOT NULL
                CHECK (at BETWEEN '1970-01-01 00:00:00+00' AND '9999-12-31 00:00:00+00'),
    -- By the writer's clock, so that a batch that is sent again is the same.
    recorded_at timestamptz NOT NULL
                CHECK (recorded_at BETWEEN '1970-01-01 00:00:00+00' AND '9999-12-31 00:00:00+00'),
    tool        text,
    issuer      text,
    subject     text,
    -- Where a caller belongs that works for several tenants.
    home_tenant text,
    -- As it was verified, and what the caller calls itself.
    client      text,
    agent       text,
    -- As the policy keeps them; json and not jsonb, which would write them anew.
    arguments   json,
    outcome     text,
    error       text,
    rows        bigint,
    duration_us bigint,
    protocol    text,
    probe       boolean NOT NULL DEFAULT false,
    -- Of a completion: how many writes committed, which ones, and of how many nobody knows.
    effects     integer,
    ordinals    text,
    uncertain   integer,
    writer      text,
    seq         bigint,
    -- Of an effect: which one of its call.
    ordinal     integer,
    mac         bytea,
    PRIMARY KEY (id, recorded_at)
) PARTITION BY RANGE (recorded_at);
CREATE INDEX IF NOT EXISTS audit_tenant_id_id ON watertight.audit (tenant_id, id);
CREATE INDEX IF NOT EXISTS audit_tenant_id_reference ON watertight.audit (tenant_id, reference);
-- A batch is sent again when its answer was lost; the second copy changes nothing.
CREATE UNIQUE INDEX IF NOT EXISTS audit_link ON watertight.audit (tenant_id, writer, seq, recorded_at)
    WHERE kind = 'completion';

-- What was given up of the trails on purpose: up to which record of each chain, and from before when.
CREATE TABLE IF NOT EXISTS watertight.audit_floor (
    tenant_id text NOT NULL,
    writer    text NOT NULL,
    seq       bigint NOT NULL,
    mac       bytea NOT NULL,
    before    timestamptz NOT NULL,
    proof     bytea NOT NULL,
    PRIMARY KEY (tenant_id, writer)
);
ALTER TABLE watertight.audit_floor ENABLE ROW LEVEL SECURITY;
ALTER TABLE watertight.audit_floor FORCE ROW LEVEL SECURITY;
REVOKE ALL ON watertight.audit_floor FROM PUBLIC, {application_role};
GRANT SELECT ON watertight.audit_floor TO {application_role};
DROP POLICY IF EXISTS tenant_select ON watertight.audit_floor;
CREATE POLICY tenant_select ON watertight.audit_floor FOR SELECT TO {application_role}
    USING (tenant_id = (SELECT nullif(pg_catalog.current_setting('{setting}', true), '')));

-- The owner erases a tenant's trail under that tenant's setting, as everybody else reads it: no lock
-- on the whole table, and one tenant at a time.
DROP POLICY IF EXISTS owner_tenant ON watertight.audit_floor;
CREATE POLICY owner_tenant ON watertight.audit_floor TO CURRENT_USER
    USING (tenant_id = (SELECT nullif(pg_catalog.current_setting('{setting}', true), '')))
    WITH CHECK (tenant_id = (SELECT nullif(pg_catalog.current_setting('{setting}', true), '')));

-- This month and the next twelve; whatever finds none is in `audit_other` and loses nothing.
-- A partition is reached through the table alone: by itself it has no policy, so it shows nothing.
CREATE TABLE IF NOT EXISTS watertight.audit_other PARTITION OF watertight.audit DEFAULT;
ALTER TABLE watertight.audit_other ENABLE ROW LEVEL SECURITY;
ALTER TABLE watertight.audit_other FORCE ROW LEVEL SECURITY;
REVOKE ALL ON watertight.audit_other FROM PUBLIC, {application_role};
{partitions}

ALTER TABLE watertight.audit ENABLE ROW LEVEL SECURITY;
ALTER TABLE watertight.audit FORCE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS tenant_insert ON watertight.audit;
CREATE POLICY tenant_insert ON watertight.audit FOR INSERT TO {application_role}
    WITH CHECK (tenant_id = (SELECT nullif(pg_catalog.current_setting('{setting}', true), '')));
DROP POLICY IF EXISTS tenant_select ON watertight.audit;
CREATE POLICY tenant_select ON watertight.audit FOR SELECT TO {application_role}
    USING (tenant_id = (SELECT nullif(pg_catalog.current_setting('{setting}', true), '')));

DROP POLICY IF EXISTS owner_select ON watertight.audit;
CREATE POLICY owner_select ON watertight.audit FOR SELECT TO CURRENT_USER
    USING (tenant_id = (SELECT nullif(pg_catalog.current_setting('{setting}', true), '')));
DROP POLICY IF EXISTS owner_delete ON watertight.audit;
CREATE POLICY owner_delete ON watertight.audit FOR DELETE TO CURRENT_USER
    USING (tenant_id = (SELECT nullif(pg_catalog.current_setting('{setting}', true), '')));

REVOKE ALL ON watertight.audit FROM PUBLIC, {application_role};
GRANT USAGE ON SCHEMA watertight TO {application_role};
GRANT SELECT ON watertight.audit TO {application_role};
GRANT INSERT (kind, reference, at, recorded_at, tool, issuer, subject, home_tenant, client, agent, arguments, outcome,
              error, rows, duration_us, protocol, probe, effects, ordinals, uncertain, writer, seq, ordinal, mac)
    ON watertight.audit TO {application_role};

-- What happens before there is a tenant: every system statement, by the role that ran it. A role adds its
-- own rows and reads none. There is no chain: the owner of this table could change it, and the log has the same.
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
