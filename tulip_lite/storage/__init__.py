"""What lies on the disk: where, how it is written whole, and how a long run goes on after it was stopped."""
