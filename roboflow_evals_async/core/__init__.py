"""What every API shares: requests, replies, errors, retries, the gate and the session. Knows no endpoint."""
