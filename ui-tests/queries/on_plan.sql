-- Customers on one plan; braces in a string are text.
SELECT id, name
  FROM customers
 WHERE plan = $plan AND name <> '{}'
 ORDER BY name
