CREATE TABLE organizations (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name text NOT NULL,
    slug text NOT NULL UNIQUE
);
COMMENT ON TABLE organizations IS 'who pays us: one''s bill';
CREATE TABLE users (id uuid PRIMARY KEY, email text NOT NULL UNIQUE);
CREATE TABLE memberships (
    org_id uuid NOT NULL REFERENCES organizations (id),
    user_id uuid NOT NULL REFERENCES users (id),
    PRIMARY KEY (org_id, user_id)
);
CREATE TABLE customers (
    id bigserial PRIMARY KEY,
    org_id uuid NOT NULL REFERENCES organizations (id),
    email text UNIQUE,
    name text NOT NULL
);
CREATE TABLE invoices (
    id bigserial PRIMARY KEY,
    org_id uuid REFERENCES organizations (id),
    customer_id bigint NOT NULL REFERENCES customers (id) ON DELETE CASCADE,
    total numeric NOT NULL
);
CREATE INDEX ON invoices (org_id, customer_id);
CREATE TABLE invoice_lines (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    invoice_id bigint NOT NULL REFERENCES invoices (id),
    label text NOT NULL
);
CREATE TABLE plans (code text PRIMARY KEY, cents integer NOT NULL);
CREATE VIEW open_invoices AS SELECT id, total FROM invoices WHERE total > 0;

INSERT INTO organizations VALUES
    ('00000000-0000-4000-8000-000000000001', 'Northwind', 'northwind'),
    ('00000000-0000-4000-8000-000000000002', 'Contoso', 'contoso');
INSERT INTO customers (org_id, email, name) VALUES
    ('00000000-0000-4000-8000-000000000001', 'a@example.com', 'Ada'),
    ('00000000-0000-4000-8000-000000000001', 'b@example.com', 'Bob'),
    ('00000000-0000-4000-8000-000000000002', 'c@example.com', 'Cy');
INSERT INTO invoices (org_id, customer_id, total) VALUES
    ('00000000-0000-4000-8000-000000000001', 1, 10),
    ('00000000-0000-4000-8000-000000000002', 3, 20);
INSERT INTO invoice_lines (invoice_id, label) VALUES (1, 'hours'), (2, 'licences');
