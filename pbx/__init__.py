"""Call control: calls and legs, routing, transfers, trunks, features."""
