"""What keeps raytide from working on this machine, told before it happens: facts are read, and judged by pure rules."""
