"""Why a service has the size it has: one recorded decision, told with what it came from and what would have changed it.

Nothing here is a second opinion: alternatives and counterfactuals are what the policy itself decides where one thing is
otherwise, from the same observation and the same knowledge.
"""
