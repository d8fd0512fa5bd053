-- The partitions of this month and the next twelve. As the owner; repeated, it adds what is missing.
DO $partitions$
DECLARE
    month timestamptz := date_trunc('month', now(), 'UTC');
    following timestamptz;
    partition text;
BEGIN
    FOR ahead IN 0..12 LOOP
        following := (month AT TIME ZONE 'UTC' + interval '1 month') AT TIME ZONE 'UTC';
        partition := 'audit_' || to_char(month AT TIME ZONE 'UTC', 'YYYY_MM');
        IF to_regclass('watertight.' || partition) IS NULL THEN
          BEGIN
            EXECUTE format('CREATE TABLE watertight.%I PARTITION OF watertight.audit FOR VALUES FROM (%L) TO (%L)',
                           partition, month, following);
            EXECUTE format('ALTER TABLE watertight.%I ENABLE ROW LEVEL SECURITY', partition);
            EXECUTE format('ALTER TABLE watertight.%I FORCE ROW LEVEL SECURITY', partition);
            EXECUTE format('REVOKE ALL ON watertight.%I FROM PUBLIC, {application_role}', partition);
          EXCEPTION WHEN check_violation THEN
            -- Records of that month are in `audit_other` already, and stay there.
            NULL;
          END;
        END IF;
        month := following;
    END LOOP;
END
$partitions$;
