"""Who may ask for how much: API keys, their limits and money, what was reserved for them and what they used.

Decisions are pure (`account`, `limits`); the database holds the accounts between two of them (`store`).
"""
