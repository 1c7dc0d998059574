"""What breaks, and what must hold then: no row older than acknowledged, no mixed row, and a re-run finishes the job."""
