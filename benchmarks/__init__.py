"""What the client costs, as ratios taken in one run: `make bench`, or `make bench ONLY=walk`."""
