"""Real bugs, told by their symptom, that can be planted into the running helpers (chapter 11)."""
