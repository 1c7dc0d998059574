"""The feature log: what was asked and answered, on its way back to the warehouse."""
