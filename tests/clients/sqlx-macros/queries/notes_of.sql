SELECT id, body
  FROM notes
 WHERE tenant_id = $tenant AND customer_id = $1
 ORDER BY id
