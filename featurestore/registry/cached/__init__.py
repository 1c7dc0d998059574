"""What readers keep of a registry on this machine: versions whose hash was tested, and when it was looked at."""
