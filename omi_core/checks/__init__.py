"""Is a site ready for runs? Proven by questions from the login node and by a few small jobs."""
