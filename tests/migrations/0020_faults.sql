-- What a test provokes every class of database error with: once under row-level security, once without.
CREATE TABLE faults (
    tenant_id uuid NOT NULL DEFAULT nullif(current_setting('app.tenant_id', true), '')::uuid,
    code text NOT NULL CONSTRAINT faults_short CHECK (length(code) < 40),
    serial text CONSTRAINT faults_serial UNIQUE,
    amount smallint,
    parent text,
    any_parent text CONSTRAINT faults_any_parent REFERENCES faults (serial),
    slot bigint,
    CONSTRAINT faults_code PRIMARY KEY (tenant_id, code),
    CONSTRAINT faults_parent FOREIGN KEY (tenant_id, parent) REFERENCES faults (tenant_id, code),
    CONSTRAINT faults_slot EXCLUDE USING btree (tenant_id WITH =, slot WITH =)
);
ALTER TABLE faults ENABLE ROW LEVEL SECURITY;
ALTER TABLE faults FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON faults
    USING (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid))
    WITH CHECK (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid));
GRANT SELECT, INSERT, UPDATE ON faults TO app;

CREATE TABLE bare_faults (
    tenant_id uuid NOT NULL,
    code text NOT NULL CONSTRAINT bare_short CHECK (length(code) < 40),
    serial text CONSTRAINT bare_serial UNIQUE,
    amount smallint,
    parent text,
    any_parent text CONSTRAINT bare_any_parent REFERENCES bare_faults (serial),
    slot bigint,
    CONSTRAINT bare_code PRIMARY KEY (tenant_id, code),
    CONSTRAINT bare_parent FOREIGN KEY (tenant_id, parent) REFERENCES bare_faults (tenant_id, code),
    CONSTRAINT bare_slot EXCLUDE USING btree (tenant_id WITH =, slot WITH =)
);
GRANT SELECT, INSERT, UPDATE ON bare_faults TO app;

CREATE FUNCTION complain() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.code = 'canary-raise' THEN
        RAISE EXCEPTION 'canary: % is not welcome', NEW.code
            USING DETAIL = 'canary-detail', HINT = 'canary-hint';
    END IF;
    IF NEW.code = 'canary-collide' THEN
        RAISE EXCEPTION 'canary: % collides', NEW.code USING ERRCODE = '40001', DETAIL = 'canary-detail';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER complain BEFORE INSERT ON faults FOR EACH ROW EXECUTE FUNCTION complain();
CREATE TRIGGER complain BEFORE INSERT ON bare_faults FOR EACH ROW EXECUTE FUNCTION complain();
