CREATE TABLE projects (
    id bigint PRIMARY KEY,
    tenant_id uuid NOT NULL,
    name text NOT NULL
);
