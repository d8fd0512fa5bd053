CREATE SCHEMA billing; CREATE SCHEMA crm; CREATE SCHEMA shared; CREATE SCHEMA "Odd Schema";
CREATE TABLE shared.tenants (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), name text NOT NULL);
CREATE TABLE shared.countries (code char(2) PRIMARY KEY, name text NOT NULL);
COMMENT ON TABLE shared.countries IS '@global ISO 3166, the same for all';
CREATE TABLE crm.customers (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), tenant_id uuid NOT NULL REFERENCES shared.tenants, name text NOT NULL, country char(2) REFERENCES shared.countries);
CREATE TABLE billing.invoices (id bigserial PRIMARY KEY, tenant_id uuid NOT NULL REFERENCES shared.tenants, customer_id uuid REFERENCES crm.customers ON DELETE SET NULL, number text NOT NULL UNIQUE);
CREATE TABLE billing.lines (invoice_id bigint NOT NULL REFERENCES billing.invoices ON DELETE CASCADE, position int NOT NULL, text text, PRIMARY KEY (invoice_id, position));
CREATE TABLE "Odd Schema"."Weird ""Table""" ("Id" uuid PRIMARY KEY, tenant_id uuid NOT NULL, "Select" text);
CREATE TABLE crm.events (id bigint GENERATED ALWAYS AS IDENTITY, tenant_id uuid NOT NULL, at timestamptz NOT NULL, what jsonb) PARTITION BY RANGE (at);
CREATE TABLE crm.events_2024 PARTITION OF crm.events FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE crm.events_default PARTITION OF crm.events DEFAULT;
CREATE MATERIALIZED VIEW billing.totals AS SELECT tenant_id, count(*) AS n FROM billing.invoices GROUP BY tenant_id;
CREATE VIEW crm.names AS SELECT tenant_id, name FROM crm.customers;
CREATE FUNCTION crm.touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.name := trim(NEW.name); RETURN NEW; END $$;
CREATE TRIGGER touch BEFORE INSERT OR UPDATE ON crm.customers FOR EACH ROW EXECUTE FUNCTION crm.touch();
INSERT INTO shared.tenants (id, name) VALUES ('00000000-0000-4000-8000-000000000001', 'A'), ('00000000-0000-4000-8000-000000000002', 'B');
INSERT INTO shared.countries VALUES ('CH', 'Switzerland');
INSERT INTO crm.customers (id, tenant_id, name, country) VALUES
    ('00000000-0000-4000-9000-000000000001', '00000000-0000-4000-8000-000000000001', 'one', 'CH'),
    ('00000000-0000-4000-9000-000000000002', '00000000-0000-4000-8000-000000000002', 'two', NULL);
INSERT INTO billing.invoices (tenant_id, customer_id, number) VALUES
    ('00000000-0000-4000-8000-000000000001', '00000000-0000-4000-9000-000000000001', 'A-1'),
    ('00000000-0000-4000-8000-000000000001', NULL, 'A-2'),
    ('00000000-0000-4000-8000-000000000002', '00000000-0000-4000-9000-000000000002', 'B-1');
INSERT INTO billing.lines VALUES (1, 1, 'x'), (3, 1, 'y');
INSERT INTO "Odd Schema"."Weird ""Table""" VALUES (gen_random_uuid(), '00000000-0000-4000-8000-000000000002', 'z');
INSERT INTO crm.events (tenant_id, at, what) VALUES
    ('00000000-0000-4000-8000-000000000001', '2024-06-01', '{}'), ('00000000-0000-4000-8000-000000000002', '2020-01-01', '{}');
