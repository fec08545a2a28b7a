"""PostgreSQL servers behind the endpoints of Aurora PostgreSQL clusters."""
