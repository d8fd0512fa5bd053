CREATE TABLE accounts (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL);
CREATE TABLE contacts (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    account_id bigint NOT NULL REFERENCES accounts (id),
    phone text NOT NULL
);
CREATE TABLE deals (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    account_id integer NOT NULL,
    contact_id uuid REFERENCES contacts (id) ON DELETE SET NULL,
    title text NOT NULL
);
CREATE TABLE deal_notes (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    deal_id uuid NOT NULL REFERENCES deals (id),
    body text NOT NULL
);
CREATE TABLE note_reactions (
    note_id uuid NOT NULL REFERENCES deal_notes (id),
    emoji text NOT NULL
);
INSERT INTO accounts (name) VALUES ('One'), ('Two');
INSERT INTO contacts (account_id, phone) VALUES (1, '1'), (1, '2'), (2, '3');
INSERT INTO deals (account_id, contact_id, title)
    SELECT account_id::integer, id, 'deal of ' || phone FROM contacts;
INSERT INTO deal_notes (deal_id, body) SELECT id, title FROM deals;
INSERT INTO note_reactions SELECT id, '+1' FROM deal_notes;
