"""What clients think of answers: kept for the services that ask for it, and made into preferences to train on."""
