"""Run SQL in the warehouse; Arrow in and out: one file or folder per warehouse, and what they share."""
