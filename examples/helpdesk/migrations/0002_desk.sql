-- The desk itself. Every key begins with the tenant, and so does every foreign key: a ticket can't
-- point at another organisation's customer even if row-level security were switched off.

CREATE TABLE agents (
    tenant_id uuid NOT NULL REFERENCES organisations (id),
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    name text NOT NULL,
    email text NOT NULL,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, email)
);

CREATE TABLE customers (
    tenant_id uuid NOT NULL REFERENCES organisations (id),
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    reference text NOT NULL,
    name text NOT NULL,
    email text NOT NULL,
    plan text NOT NULL CHECK (plan IN ('free', 'pro', 'enterprise')),
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, email)
);
CREATE INDEX customers_by_plan ON customers (tenant_id, plan, name);

CREATE TABLE tickets (
    tenant_id uuid NOT NULL REFERENCES organisations (id),
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    number bigint NOT NULL,
    customer_id uuid NOT NULL,
    assignee_id uuid,
    subject text NOT NULL,
    status text NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'pending', 'closed')),
    priority text NOT NULL DEFAULT 'normal' CHECK (priority IN ('low', 'normal', 'urgent')),
    opened_at timestamptz NOT NULL DEFAULT now(),
    closed_at timestamptz,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, number),
    FOREIGN KEY (tenant_id, customer_id) REFERENCES customers (tenant_id, id),
    FOREIGN KEY (tenant_id, assignee_id) REFERENCES agents (tenant_id, id)
);
CREATE INDEX tickets_by_status ON tickets (tenant_id, status, opened_at);
CREATE INDEX tickets_by_customer ON tickets (tenant_id, customer_id);
CREATE INDEX tickets_by_assignee ON tickets (tenant_id, assignee_id);

-- The next number of each organisation: ticket 1042 exists once in each of them.
CREATE TABLE ticket_numbers (
    tenant_id uuid PRIMARY KEY REFERENCES organisations (id),
    next_number bigint NOT NULL DEFAULT 1001
);

CREATE TABLE messages (
    tenant_id uuid NOT NULL REFERENCES organisations (id),
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    ticket_id uuid NOT NULL,
    author text NOT NULL CHECK (author IN ('customer', 'agent')),
    body text NOT NULL,
    words tsvector GENERATED ALWAYS AS (to_tsvector('english', body)) STORED,
    sent_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, ticket_id) REFERENCES tickets (tenant_id, id)
);
CREATE INDEX messages_by_ticket ON messages (tenant_id, ticket_id, sent_at);

CREATE TABLE tags (
    tenant_id uuid NOT NULL REFERENCES organisations (id),
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    name text NOT NULL,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, name)
);

CREATE TABLE ticket_tags (
    tenant_id uuid NOT NULL REFERENCES organisations (id),
    ticket_id uuid NOT NULL,
    tag_id uuid NOT NULL,
    PRIMARY KEY (tenant_id, ticket_id, tag_id),
    FOREIGN KEY (tenant_id, ticket_id) REFERENCES tickets (tenant_id, id),
    FOREIGN KEY (tenant_id, tag_id) REFERENCES tags (tenant_id, id)
);

-- One price list for everybody: no tenant column, and tools can only read it.
CREATE TABLE price_list (
    plan text PRIMARY KEY,
    cents_per_seat integer NOT NULL,
    answer_within_hours integer NOT NULL
);
COMMENT ON TABLE price_list IS '@global one price list for every organisation';
INSERT INTO price_list VALUES ('free', 0, 72), ('pro', 1900, 24), ('enterprise', 6900, 4);

ALTER TABLE agents ENABLE ROW LEVEL SECURITY;
ALTER TABLE agents FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON agents
    USING (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid))
    WITH CHECK (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid));

ALTER TABLE customers ENABLE ROW LEVEL SECURITY;
ALTER TABLE customers FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON customers
    USING (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid))
    WITH CHECK (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid));

ALTER TABLE tickets ENABLE ROW LEVEL SECURITY;
ALTER TABLE tickets FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON tickets
    USING (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid))
    WITH CHECK (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid));

ALTER TABLE ticket_numbers ENABLE ROW LEVEL SECURITY;
ALTER TABLE ticket_numbers FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON ticket_numbers
    USING (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid))
    WITH CHECK (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid));

ALTER TABLE messages ENABLE ROW LEVEL SECURITY;
ALTER TABLE messages FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON messages
    USING (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid))
    WITH CHECK (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid));

ALTER TABLE tags ENABLE ROW LEVEL SECURITY;
ALTER TABLE tags FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON tags
    USING (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid))
    WITH CHECK (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid));

ALTER TABLE ticket_tags ENABLE ROW LEVEL SECURITY;
ALTER TABLE ticket_tags FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON ticket_tags
    USING (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid))
    WITH CHECK (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid));

-- What tools may do. Nothing of this belongs to the role `app`, and it deletes nothing.
GRANT SELECT ON agents TO app;
GRANT SELECT, INSERT, UPDATE ON customers TO app;
GRANT SELECT, INSERT, UPDATE ON tickets TO app;
GRANT SELECT, INSERT, UPDATE ON ticket_numbers TO app;
GRANT SELECT, INSERT ON messages TO app;
GRANT SELECT, INSERT ON tags TO app;
GRANT SELECT, INSERT ON ticket_tags TO app;
GRANT SELECT ON price_list TO app;
