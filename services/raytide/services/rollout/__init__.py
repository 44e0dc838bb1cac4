"""New revisions beside the one that serves: which applications they are, and who decides when they take over."""
