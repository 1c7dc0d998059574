"""What is online is compared, measured and removed."""
