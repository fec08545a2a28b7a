"""What AWS does by itself and moto does not: objects that replicate, health checks that look."""
