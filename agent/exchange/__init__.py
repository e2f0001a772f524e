"""What is known of Exchange: builds and their holes, fingerprints, and how evidence becomes an assessment."""
