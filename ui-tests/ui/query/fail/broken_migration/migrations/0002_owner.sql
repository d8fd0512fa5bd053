-- A comma too many.
ALTER TABLE projects
    ADD COLUMN owner text,,
    ADD COLUMN color text;
