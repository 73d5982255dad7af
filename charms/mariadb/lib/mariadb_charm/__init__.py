"""What the MariaDB charm is made of: SQL text, and the client that runs it."""
