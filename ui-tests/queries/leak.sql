-- The notes of everyone.
SELECT body
  FROM notes
 WHERE customer_id = $customer
