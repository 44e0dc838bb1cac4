"""Pure planning: from a declared service and the live state to actions."""
