"""What could have been reached: a bound below every plan, a plan that knows the future, and one that knows its law."""
