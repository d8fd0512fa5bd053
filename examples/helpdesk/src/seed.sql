-- Row-level security binds the owner too (FORCE), so even this runs within the tenant.
SET LOCAL app.tenant_id = '{tenant}';

INSERT INTO organisations (id, name) VALUES ('{tenant}', '{name}');
INSERT INTO ticket_numbers (tenant_id, next_number) VALUES ('{tenant}', 1001 + 2 * {customers});

INSERT INTO agents (tenant_id, id, name, email)
SELECT '{tenant}', {agent}, (ARRAY['Amara Okafor', 'Bruno Silva', 'Chen Wei', 'Dagny Olsen', 'Emil Novak',
       'Fatima Zahra', 'Goran Petrov', 'Hanna Virtanen'])[n], 'agent' || n || '@{domain}'
FROM generate_series(1, 8) n;

INSERT INTO memberships (tenant_id, subject, role)
SELECT '{tenant}', 'agent' || n || '@{domain}', CASE n WHEN 1 THEN 'lead' ELSE 'agent' END
FROM generate_series(1, 8) n;

INSERT INTO api_keys (tenant_id, key_hash, subject, scopes)
VALUES ('{tenant}', encode(sha256(convert_to('{api_key}', 'UTF8')), 'hex'), 'agent1@{domain}',
        ARRAY['customers:read']);

-- The first customer has the same name and the same address in every organisation.
INSERT INTO customers (tenant_id, id, reference, name, email, plan, created_at)
SELECT '{tenant}', {customer}, '{prefix}-C' || to_char(n, 'FM000000'),
       CASE n WHEN 1 THEN 'Ada Lovelace'
              ELSE (ARRAY['Ada', 'Boris', 'Carmen', 'David', 'Elena', 'Farid', 'Grace', 'Hugo', 'Ines',
                          'Jonas', 'Keiko', 'Liam', 'Mina', 'Noah', 'Olga', 'Pablo'])[1 + n % 16]
                   || ' '
                   || (ARRAY['Adler', 'Brown', 'Costa', 'Dubois', 'Evans', 'Fischer', 'Garcia', 'Hansen',
                             'Ito', 'Jensen', 'Kim', 'Larsen', 'Moreau'])[1 + n / 16 % 13]
       END,
       CASE n WHEN 1 THEN 'ada.lovelace@mail.example' ELSE 'customer' || n || '@clients.{domain}' END,
       (ARRAY['free', 'pro', 'pro', 'enterprise'])[1 + n % 4],
       timestamptz '2026-01-01 08:00Z' + n * interval '3 hours'
FROM generate_series(1, {customers}) n;

INSERT INTO tickets (tenant_id, id, number, customer_id, assignee_id, subject, status, priority, opened_at,
                     closed_at)
SELECT '{tenant}', {ticket}, 1000 + n,
       md5('{prefix} customer ' || (1 + n % {customers}))::uuid,
       CASE WHEN n % 5 > 0 THEN md5('{prefix} agent ' || (1 + n % 8))::uuid END,
       (ARRAY['Invoice does not match the order', 'Cannot sign in since this morning', 'Export stops half way',
              'Please delete my old address', 'Card was charged twice', 'How do I add a colleague?',
              'The report shows last month', 'Printer drops the last page'])[1 + n % 8],
       (ARRAY['open', 'pending', 'closed'])[1 + n % 3],
       (ARRAY['low', 'normal', 'urgent', 'normal', 'low', 'normal', 'normal'])[1 + n % 7],
       timestamptz '2026-03-01 08:00Z' + n * interval '90 minutes',
       CASE WHEN n % 3 = 2 THEN timestamptz '2026-03-02 09:00Z' + n * interval '90 minutes' END
FROM generate_series(1, 2 * {customers}) n;

INSERT INTO messages (tenant_id, id, ticket_id, author, body, sent_at)
SELECT '{tenant}', {message}, md5('{prefix} ticket ' || (1 + n / 2))::uuid,
       (ARRAY['customer', 'agent'])[1 + n % 2],
       CASE n % 2
           WHEN 0 THEN (ARRAY['Hello, the invoice of last week lists a product that I never ordered.',
                              'The login page says that my password is wrong, and it is not.',
                              'The export of our orders ends after the first thousand rows.',
                              'My card was charged twice for the same subscription.'])[1 + n / 2 % 4]
           ELSE 'Thank you for writing to {name}. I am looking into it.'
       END || ' Our reference: {prefix}-M' || to_char(n, 'FM000000') || '.',
       timestamptz '2026-03-01 08:00Z' + n * interval '45 minutes'
FROM generate_series(0, 4 * {customers} - 1) n;

INSERT INTO tags (tenant_id, id, name)
SELECT '{tenant}', {tag}, (ARRAY['billing', 'login', 'export', 'privacy', 'hardware', 'vip'])[n]
FROM generate_series(1, 6) n;

INSERT INTO ticket_tags (tenant_id, ticket_id, tag_id)
SELECT '{tenant}', md5('{prefix} ticket ' || n)::uuid, md5('{prefix} tag ' || (1 + n % 6))::uuid
FROM generate_series(1, 2 * {customers}) n;
