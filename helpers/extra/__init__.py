"""What only the extra chapters (10 to 14) need; nothing in the core imports it at module level."""
