"""Run SQL in the warehouse; Arrow in and out: one file per warehouse."""
